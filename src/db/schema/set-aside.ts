/** What is set aside, and for how long. */
import { index, integer, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant, settlement } from './columns.ts';

/** What failed by itself, and when it is tried again. A success forgets it. */
export const setAside = settlement.table(
  'set_aside',
  {
    kind: text('kind').notNull(),
    subject: text('subject').notNull(),
    failures: integer('failures').notNull().default(1),
    until: instant('until').notNull(),
    failedAt: instant('failed_at').notNull().defaultNow(),
    error: text('error').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.kind, t.subject] }),
    // What is to be tried again.
    index('set_aside_due').on(t.until),
  ],
);
