import { bigint, customType, pgSchema, timestamp } from 'drizzle-orm/pg-core';

/** The PostgreSQL schema of our own tables, so that no table of the backend can collide with them. */
export const settlement = pgSchema('settlement');

/** An instant, with its time zone. */
export const instant = (name: string) => timestamp(name, { withTimezone: true });

/** The sequence number of a ledger. */
export const ledgerNumber = (name: string) => bigint(name, { mode: 'number' });

/** A set of ledgers, as intervals (`{[5,9),[12,13)}`). PostgreSQL joins and compares them; nothing reads them whole. */
export const ledgerSet = customType<{ data: string }>({ dataType: () => 'int8multirange' });

/** One interval of ledgers. */
export const ledgerInterval = customType<{ data: string }>({ dataType: () => 'int8range' });
