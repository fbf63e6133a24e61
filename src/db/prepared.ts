import { DrizzleQueryError, fillPlaceholders, type SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import type { QueryResultRow } from 'pg';
import type { Db } from './connection.ts';

/** A statement with placeholders, to be run with their values. Resolves to its rows. */
export type Prepared<Row> = (db: Db, values: Record<string, unknown>) => Promise<Row[]>;

const dialect = new PgDialect();

/**
 * A statement that each connection parses once and plans a few times, for those that every settle or webhook runs:
 * planning them cost PostgreSQL more than running them. A plan that has become wrong because its tables grew lasts until
 * autovacuum has looked at them. `name` is its own for each set of planner settings that the statement runs under.
 */
export function prepared<Row extends QueryResultRow>(name: string, statement: SQL): Prepared<Row> {
  const { sql: text, params } = dialect.sqlToQuery(statement);
  return async (db, values) => {
    try {
      const { rows } = await db.$client.query<Row>({
        name,
        text,
        values: fillPlaceholders(params, values),
      });
      return rows;
    } catch (error) {
      // As Drizzle's own statements fail, so that errors read alike; without the parameters.
      throw new DrizzleQueryError(text, [], error as Error);
    }
  };
}
