/**
 * What of somebody else would run when our tables are migrated or written: as our owner then, or as a worker. A backend owns
 * its tables and may hang such things on them; `settle migrate` refuses before it writes, and `settle migrate --check` says
 * the same. What an operator has read and trusts is named in TRUSTED_DATABASE_CODE.
 */
import type { ClientBase } from 'pg';
import { TABLES } from './rights.ts';

/** The database has code on our tables that is not ours; nothing was changed. */
export class ForeignCode extends Error {
  override readonly name = 'ForeignCode';
  constructor(found: readonly string[]) {
    super(
      `The database has code that is not this system's, and that would run with its rights: ${found.join('; ')}. ` +
        'Nothing was changed. Drop it, or name what you have read and trust in TRUSTED_DATABASE_CODE, by the words before the colon.',
    );
  }
}

/** Our triggers, as `name on table` and the function they call. */
const OUR_TRIGGERS: Readonly<Record<string, string>> = {
  'session_journal_append_only on settlement.session_journal': 'settlement.refuse_change',
  'operator_journal_append_only on settlement.operator_journal': 'settlement.refuse_change',
  'attention_decided_now on settlement.attention': 'settlement.decided_now',
  'ledger_payments_decided_now on settlement.ledger_payments': 'settlement.decided_now',
  'parked_records_decided_now on settlement.parked_records': 'settlement.decided_now',
  'ledger_payments_inserted on settlement.ledger_payments': 'settlement.forget_totals',
  'ledger_payments_updated on settlement.ledger_payments': 'settlement.forget_totals',
  'ledger_payments_deleted on settlement.ledger_payments': 'settlement.forget_totals',
  'network_dated_now on settlement.network': 'settlement.network_dated_now',
  'active_sessions_entered on settlement.active_sessions': 'settlement.entered_for_merchant',
};

/** Our functions, all of the schema settlement. */
const OUR_FUNCTIONS = [
  'settlement.refuse_change()',
  'settlement.decided_now()',
  'settlement.forget_totals()',
  'settlement.network_dated_now()',
  'settlement.entered_for_merchant()',
];

/** Each thing as `what name on table: what it runs`; without those that are trusted. Works before the first migration, too. */
export async function foreignCode(
  client: ClientBase,
  trusted: readonly string[] = [],
): Promise<string[]> {
  const { rows } = await client.query<{ what: string; runs: string }>(FOREIGN_CODE, [
    TABLES,
    Object.entries(OUR_TRIGGERS).map(([on, runs]) => `${on} ${runs}`),
    OUR_FUNCTIONS,
  ]);
  return rows
    .filter(({ what }) => !trusted.includes(what))
    .map(({ what, runs }) => `${what}: ${runs}`);
}

/** @throws ForeignCode */
export async function refuseForeignCode(
  client: ClientBase,
  trusted: readonly string[] = [],
): Promise<void> {
  const found = await foreignCode(client, trusted);
  if (found.length > 0) throw new ForeignCode(found);
}

const OWNED_BY = (oid: string) => `'owned by ' || ${oid}::regrole`;

/** Functions outside of PostgreSQL itself and of extensions. */
const NOT_BUILT_IN = (oid: string, catalogue: string) => `
  NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '${catalogue}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

const FOREIGN_CODE = `
  WITH ours AS (
    SELECT to_regclass(t.name) AS oid, t.name FROM unnest($1::text[]) AS t(name)
    WHERE to_regclass(t.name) IS NOT NULL),
  owner AS (SELECT oid FROM pg_roles WHERE rolname = current_user),
  function AS (
    SELECT p.oid, n.nspname || '.' || p.proname AS name, p.proowner, p.prosecdef, p.proname, n.nspname
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND ${NOT_BUILT_IN('p.oid', 'pg_proc')}),
  parts AS (
    SELECT 'pg_constraint'::regclass::oid AS classid, c.oid, 'constraint ' || c.conname AS what, c.conrelid AS rel FROM pg_constraint c
    UNION ALL SELECT 'pg_attrdef'::regclass, d.oid, 'default of ' || a.attname, d.adrelid
      FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, 'index ' || i.indexrelid::regclass, i.indrelid FROM pg_index i)
  SELECT * FROM (
    SELECT 'trigger ' || t.tgname || ' on ' || o.name AS what,
      'runs ' || n.nspname || '.' || p.proname || ', ' || ${OWNED_BY('p.proowner')} AS runs
    FROM pg_trigger t JOIN ours o ON o.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
      JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE NOT t.tgisinternal
      AND NOT (t.tgname || ' on ' || o.name || ' ' || n.nspname || '.' || p.proname) = ANY ($2::text[])
    UNION ALL
    SELECT 'rule ' || r.rulename || ' on ' || o.name, 'rewrites statements'
    FROM pg_rewrite r JOIN ours o ON o.oid = r.ev_class WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'policy ' || p.polname || ' on ' || o.name, 'hides rows'
    FROM pg_policy p JOIN ours o ON o.oid = p.polrelid
    UNION ALL
    SELECT 'row security on ' || o.name, 'hides rows'
    FROM pg_class c JOIN ours o ON o.oid = c.oid WHERE c.relrowsecurity OR c.relforcerowsecurity
    UNION ALL
    SELECT 'kind of ' || o.name, 'is no plain table'
    FROM pg_class c JOIN ours o ON o.oid = c.oid WHERE c.relkind <> 'r'
    UNION ALL
    SELECT 'child ' || i.inhrelid::regclass || ' of ' || o.name, 'has triggers and rows of its own, ' || ${OWNED_BY('c.relowner')}
    FROM pg_inherits i JOIN ours o ON o.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
    UNION ALL
    SELECT 'event trigger ' || e.evtname, 'runs ' || e.evtfoid::regproc || ', ' || ${OWNED_BY('e.evtowner')}
    FROM pg_event_trigger e WHERE e.evtenabled <> 'D'
    UNION ALL
    SELECT parts.what || ' on ' || o.name, 'calls ' || f.name || ', ' || ${OWNED_BY('f.proowner')}
    FROM parts JOIN ours o ON o.oid = parts.rel
      JOIN pg_depend d ON d.classid = parts.classid AND d.objid = parts.oid AND d.refclassid = 'pg_proc'::regclass
      JOIN function f ON f.oid = d.refobjid
    UNION ALL
    -- It would be taken for PostgreSQL's own where its types fit better.
    SELECT 'function ' || f.oid::regprocedure, 'has the name of one of PostgreSQL, ' || ${OWNED_BY('f.proowner')}
    FROM function f WHERE f.nspname IN ('public', 'settlement')
      AND EXISTS (SELECT FROM pg_proc b WHERE b.proname = f.proname AND b.pronamespace = 'pg_catalog'::regnamespace)
    UNION ALL
    SELECT 'operator ' || p.oid::regoperator, 'has the name of one of PostgreSQL, ' || ${OWNED_BY('p.oprowner')}
    FROM pg_operator p WHERE p.oprnamespace = 'public'::regnamespace AND ${NOT_BUILT_IN('p.oid', 'pg_operator')}
    UNION ALL
    SELECT 'function ' || f.oid::regprocedure, 'is in the schema of this system, ' || ${OWNED_BY('f.proowner')}
    FROM function f WHERE f.nspname = 'settlement' AND NOT f.oid::regprocedure::text = ANY ($3::text[])
    UNION ALL
    -- Whoever calls it acts as its owner.
    SELECT 'function ' || f.oid::regprocedure, 'runs with the rights of its owner ' || f.proowner::regrole
    FROM function f WHERE f.prosecdef AND (f.proowner IN (SELECT c.relowner FROM pg_class c JOIN ours o ON o.oid = c.oid)
      OR f.proowner = (SELECT oid FROM owner) OR (SELECT rolsuper FROM pg_roles r WHERE r.oid = f.proowner))
    UNION ALL
    SELECT 'default privileges of ' || d.defaclrole::regrole || coalesce(' in ' || d.defaclnamespace::regnamespace, ''),
      'give away what will be made: ' || d.defaclacl::text
    FROM (SELECT defaclrole, nullif(defaclnamespace, 0) AS defaclnamespace, defaclacl FROM pg_default_acl) d
    WHERE pg_has_role(current_user, d.defaclrole, 'MEMBER')
      AND EXISTS (SELECT FROM aclexplode(d.defaclacl) a WHERE a.grantee <> d.defaclrole)
      AND (d.defaclnamespace IS NULL OR d.defaclnamespace::regnamespace::text IN ('public', 'settlement'))
    UNION ALL
    SELECT 'schema settlement', 'belongs to ' || n.nspowner::regrole || ', who may drop what is in it'
    FROM pg_namespace n WHERE n.nspname = 'settlement' AND n.nspowner <> coalesce(
      (SELECT c.relowner FROM pg_class c WHERE c.oid = to_regclass('settlement.session_journal')), (SELECT oid FROM owner))
    UNION ALL
    SELECT 'relation ' || c.oid::regclass, 'is in the schema of this system, ' || ${OWNED_BY('c.relowner')}
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'settlement' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relowner <> n.nspowner
  ) found ORDER BY 1`;
