import { bigint, pgSchema, timestamp } from 'drizzle-orm/pg-core';

/** The PostgreSQL schema of our own tables, so that no table of the backend can collide with them. */
export const settlement = pgSchema('settlement');

/** An instant, with its time zone. */
export const instant = (name: string) => timestamp(name, { withTimezone: true });

/** The sequence number of a ledger. */
export const ledgerNumber = (name: string) => bigint(name, { mode: 'number' });
