/**
 * What a role can really do, whatever way the right came: its own, PUBLIC's, that of a role it is a member of (also one it
 * would first have to SET ROLE to), that of an owner or of a superuser. PostgreSQL is asked, not the lists of grants.
 */
import type { ClientBase } from 'pg';
import { allowedBy, TABLES, type Table } from './rights.ts';

/** The role and each role that it is a member of, directly or not, with any option (INHERIT, SET, ADMIN). */
const REACH = `
  reach AS (
    SELECT oid FROM pg_roles WHERE rolname = $1
    UNION SELECT m.roleid FROM pg_auth_members m JOIN reach r ON m.member = r.oid)`;

/** Of a name in `reach`: how a right came that is not the role's own. */
const via = (oid: string) =>
  `CASE WHEN ${oid} = (SELECT oid FROM pg_roles WHERE rolname = $1) THEN '' ELSE ' as ' || ${oid}::regrole END`;

/**
 * What no list of rights can bind: attributes, memberships, ownership. Each in words; empty when there is none, null when
 * there is no such role. Our tables need not exist yet.
 */
export async function standingOf(client: ClientBase, role: string): Promise<string[] | null> {
  const { rows } = await client.query<{ found: string[] }>(
    `WITH RECURSIVE ${REACH}, me AS (SELECT * FROM pg_roles WHERE rolname = $1)
     SELECT array_remove(ARRAY[
         CASE WHEN rolsuper THEN 'is a superuser' END,
         CASE WHEN rolbypassrls THEN 'has BYPASSRLS' END,
         CASE WHEN rolcreaterole THEN 'has CREATEROLE' END,
         CASE WHEN rolcreatedb THEN 'has CREATEDB' END,
         CASE WHEN rolreplication THEN 'has REPLICATION' END], NULL)
       || ARRAY(SELECT 'is a member of ' || oid::regrole FROM reach WHERE oid <> me.oid
           AND (oid::regrole::text LIKE 'pg\\_%' OR (SELECT r.rolsuper OR r.rolcreaterole OR r.rolbypassrls
             OR r.rolreplication OR r.rolcreatedb FROM pg_roles r WHERE r.oid = reach.oid)) ORDER BY 1)
       || ARRAY(SELECT 'owns the table ' || c.oid::regclass || ${via('c.relowner')} FROM pg_class c
           WHERE c.relowner IN (SELECT oid FROM reach) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
             AND c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'settlement'))
           ORDER BY 1)
       || ARRAY(SELECT 'owns the function ' || p.oid::regprocedure || ${via('p.proowner')} FROM pg_proc p
           WHERE p.proowner IN (SELECT oid FROM reach)
             AND p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'settlement'))
           ORDER BY 1)
       || ARRAY(SELECT 'owns the schema ' || n.nspname || ${via('n.nspowner')} FROM pg_namespace n
           WHERE n.nspowner IN (SELECT oid FROM reach) AND n.nspname IN ('public', 'settlement') ORDER BY 1)
       || ARRAY(SELECT 'owns the database ' || d.datname || ${via('d.datdba')} FROM pg_database d
           WHERE d.datdba IN (SELECT oid FROM reach) AND d.datname = current_database())
       -- Turning triggers off is a setting that may be given away.
       || ARRAY(SELECT DISTINCT 'may set the parameter ' || p.parname FROM pg_parameter_acl p,
           aclexplode(p.paracl) a WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM reach) ORDER BY 1)
       AS found FROM me`,
    [role],
  );
  return rows[0]?.found ?? null;
}

/** What the role may do more than `rightsOf` says, each in words; empty when there is nothing. Our tables exist. */
export async function excessOf(
  client: ClientBase,
  role: string,
  rightsOf: (table: Table) => string,
): Promise<string[]> {
  const standing = await standingOf(client, role);
  // An owner or a superuser may do everything: naming each right would hide that.
  if (standing === null || standing.length > 0) return standing ?? [];
  return [...(await onTables(client, role, rightsOf)), ...(await onTheRest(client, role))];
}

type Held = { via: string; table: string; privilege: string; columns: string[]; all: boolean };

/** Rights on columns show those on tables, too; what has no columns is asked for by itself. */
async function onTables(
  client: ClientBase,
  role: string,
  rightsOf: (table: Table) => string,
): Promise<string[]> {
  const { rows } = await client.query<Held>(
    `WITH RECURSIVE ${REACH},
     tables AS (SELECT t.name, to_regclass(t.name) AS oid FROM unnest($2::text[]) AS t(name)),
     granting AS (SELECT * FROM (VALUES (''), (' WITH GRANT OPTION')) AS o(option))
     SELECT ${via('r.oid')} AS via, t.name AS table, p.privilege || g.option AS privilege,
       array_agg(a.attname::text ORDER BY a.attnum) AS columns,
       count(*) = (SELECT count(*) FROM pg_attribute n WHERE n.attrelid = t.oid AND n.attnum > 0
         AND NOT n.attisdropped) AS all
     FROM reach r, tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped,
       unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p(privilege), granting g
     WHERE has_column_privilege(r.oid, t.oid, a.attnum, p.privilege || g.option)
     GROUP BY r.oid, t.name, t.oid, p.privilege, g.option
     UNION ALL
     SELECT ${via('r.oid')}, t.name, p.privilege || g.option, '{}', true
     FROM reach r, tables t, granting g, unnest('{DELETE,TRUNCATE,TRIGGER}'::text[]
         || CASE WHEN current_setting('server_version_num')::int >= 170000 THEN '{MAINTAIN}'::text[] ELSE '{}' END)
       AS p(privilege)
     WHERE has_table_privilege(r.oid, t.oid, p.privilege || g.option)
     ORDER BY 2, 3, 1`,
    [role, TABLES],
  );
  return rows.flatMap(({ via, table, privilege, columns, all }) => {
    const given = allowedBy(rightsOf(TABLES.find((name) => name === table) ?? TABLES[0])).get(
      privilege,
    );
    if (given === '*') return [];
    const more = columns.filter((column) => given?.has(column) !== true);
    if (given !== undefined && more.length === 0) return [];
    const which = all && given === undefined ? '' : ` (${more.join(', ')})`;
    return [`${privilege}${which} on ${table}${via}`];
  });
}

/** Schemas, the database, and relations beside our tables: sequences, and views through which a table can be seen or changed. */
async function onTheRest(client: ClientBase, role: string): Promise<string[]> {
  const { rows } = await client.query<{ found: string[] }>(
    `WITH RECURSIVE ${REACH}
     SELECT ARRAY(SELECT 'CREATE on the schema ' || n.nspname || ${via('r.oid')} FROM reach r, pg_namespace n
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND has_schema_privilege(r.oid, n.oid, 'CREATE') ORDER BY 1)
       || ARRAY(SELECT 'CREATE on the database' || ${via('r.oid')} FROM reach r
         WHERE has_database_privilege(r.oid, current_database(), 'CREATE') ORDER BY 1)
       || ARRAY(SELECT p.privilege || ' on ' || c.oid::regclass || ${via('r.oid')}
         FROM reach r, pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS p(privilege)
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.oid = ANY ($2::regclass[])
           AND c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'settlement'))
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
           AND (has_table_privilege(r.oid, c.oid, p.privilege)
             OR (p.privilege IN ('SELECT', 'INSERT', 'UPDATE') AND has_any_column_privilege(r.oid, c.oid, p.privilege)))
         ORDER BY 1)
       || ARRAY(SELECT p.privilege || ' on the sequence ' || c.oid::regclass || ${via('r.oid')}
         FROM reach r, pg_class c, unnest('{UPDATE,USAGE}'::text[]) AS p(privilege)
         WHERE c.relkind = 'S' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'settlement')
           AND has_sequence_privilege(r.oid, c.oid, p.privilege) ORDER BY 1) AS found`,
    [role, TABLES],
  );
  return rows[0]?.found ?? [];
}
