/** Deliberate breakages of rights, of what is signed and of what is encrypted, and the test that turns red for each. */
import type { TestedMutant } from './settlement.ts';

const EFFECTIVE = 'src/db/effective-rights.ts';
const FOREIGN = 'src/db/foreign-code.ts';
const RIGHTS = 'src/db/rights.ts';
const TRUE_EVENT = 'src/domain/true-event.ts';
const FACTS_OF_EVENT = 'src/db/true-event.ts';
const CODEC = 'src/codec.ts';

const inTest = (file: string, name: string) => ({ file: `test/${file}.test.ts`, name });
const named = inTest('db/effective-rights', 'is named and refused');
const refused = inTest('db/roles', 'is refused ');
const forged = (name: string) => inTest('db/forged-events', name);
const codec = (name: string) => inTest('codec', name);

/** One kind of what `settle migrate` names, left out. */
const unnamed = (name: string, from: string, to: string): TestedMutant => ({
  name,
  edits: [{ file: FOREIGN, from, to }],
  test: named,
});

/** Every one of them. */
export const RIGHTS_MUTANTS: readonly TestedMutant[] = [
  {
    name: 'what a role may do as another is not looked for',
    edits: [
      {
        file: EFFECTIVE,
        from: '    UNION SELECT m.roleid FROM pg_auth_members m JOIN reach r ON m.member = r.oid)`;',
        to: '    UNION SELECT m.roleid FROM pg_auth_members m JOIN reach r ON m.member = r.oid AND m.inherit_option)`;',
      },
    ],
    test: named,
  },
  {
    name: 'a parameter that a role may set is passed over',
    edits: [
      {
        file: EFFECTIVE,
        from: 'WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM reach) ORDER BY 1)',
        to: 'WHERE a.grantee IS NULL AND a.grantee IN (SELECT oid FROM reach) ORDER BY 1)',
      },
    ],
    test: named,
  },
  {
    name: 'a view through which a table is seen is passed over',
    edits: [
      {
        file: EFFECTIVE,
        from: "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.oid",
        to: "WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.oid",
      },
    ],
    test: named,
  },
  {
    name: 'a right to columns is passed over',
    edits: [
      {
        file: EFFECTIVE,
        from: 'if (given !== undefined && more.length === 0) return [];',
        to: 'if (given !== undefined) return [];',
      },
    ],
    test: named,
  },
  unnamed('foreign triggers are run', 'WHERE NOT t.tgisinternal\n', 'WHERE t.tgisinternal\n'),
  unnamed(
    'foreign rules rewrite statements',
    "WHERE r.rulename <> '_RETURN'",
    "WHERE r.rulename = ''",
  ),
  unnamed(
    'row security hides rows',
    'WHERE c.relrowsecurity OR c.relforcerowsecurity',
    'WHERE c.relforcerowsecurity',
  ),
  unnamed(
    'a view stands in the place of a table',
    "WHERE c.relkind <> 'r'",
    "WHERE c.relkind = ''",
  ),
  unnamed(
    'a foreign event trigger is run',
    "FROM pg_event_trigger e WHERE e.evtenabled <> 'D'",
    "FROM pg_event_trigger e WHERE e.evtenabled = ''",
  ),
  unnamed(
    'a foreign function in an index is run',
    'FROM pg_index i)\n',
    'FROM pg_index i WHERE false)\n',
  ),
  unnamed(
    'an operator stands before that of PostgreSQL',
    "p.oprnamespace = 'public'::regnamespace",
    "p.oprnamespace = 'information_schema'::regnamespace",
  ),
  unnamed(
    'a function stands before that of PostgreSQL',
    "WHERE f.nspname IN ('public', 'settlement')",
    "WHERE f.nspname IN ('settlement')",
  ),
  unnamed(
    'a function of somebody is in our schema',
    "WHERE f.nspname = 'settlement' AND NOT f.oid::regprocedure::text = ANY ($3::text[])",
    "WHERE f.nspname = '' AND NOT f.oid::regprocedure::text = ANY ($3::text[])",
  ),
  unnamed(
    'a function acts as its owner, ours',
    'FROM function f WHERE f.prosecdef AND',
    'FROM function f WHERE f.prosecdef AND false AND',
  ),
  unnamed(
    'a relation of somebody is in our schema',
    "c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relowner <> n.nspowner",
    "c.relkind IN ('r', 'p', 'S') AND c.relowner <> n.nspowner",
  ),
  {
    name: 'foreign code is found after the first migration only',
    edits: [
      {
        file: 'src/db/migrate.ts',
        from: 'await refuseForeignCode(client, trusted);\n    await refuseUnfitRoles(client, roles);',
        to: 'await refuseUnfitRoles(client, roles);',
      },
    ],
    test: inTest('db/effective-rights', 'waiting for the first migration'),
  },
  {
    name: 'the app role dates its journal entries',
    edits: [
      {
        file: RIGHTS,
        from: "'SELECT, INSERT (actor, action, subject, reason, detail)'",
        to: "'SELECT, INSERT'",
      },
    ],
    test: refused,
  },
  {
    name: 'the app role changes events',
    edits: [
      {
        file: RIGHTS,
        from: "'SELECT, INSERT (id, session_id, merchant_id, type, fact, body, occurred_at)'",
        to: "'SELECT, INSERT (id, session_id, merchant_id, type, fact, body, occurred_at), UPDATE (body)'",
      },
    ],
    test: refused,
  },
  {
    name: 'the app role sees keys of the API',
    edits: [{ file: RIGHTS, from: "'public.api_keys': '',", to: "'public.api_keys': 'SELECT'," }],
    test: refused,
  },
  {
    name: 'the read role sees what a backend adds',
    edits: [
      {
        file: RIGHTS,
        from: "return columns === undefined ? 'SELECT' :",
        to: "return columns === undefined || columns ? 'SELECT' :",
      },
    ],
    test: inTest('db/roles', 'sees the columns that are listed, and no column that a backend adds'),
  },
  {
    name: 'a payments row needs no money on the ledger',
    edits: [
      {
        file: TRUE_EVENT,
        from: 'return row.isOlder || isBacked ?',
        to: 'return row.isOlder || isBacked || true ?',
      },
    ],
    test: forged('is not signed without money on the ledger'),
  },
  {
    name: 'a payments row may be of more than was credited',
    edits: [
      {
        file: TRUE_EVENT,
        from: '(credited === null || row.amount <= credited)',
        to: '(credited === null || row.amount > 0n)',
      },
    ],
    test: forged('is not signed without money on the ledger'),
  },
  {
    name: 'what is stored is signed',
    edits: [
      {
        file: TRUE_EVENT,
        from: 'withMetadataOf(stored.body, body) === stored.body',
        to: 'body !== stored.id',
      },
    ],
    test: forged('from the true one: the true one is sent'),
  },
  {
    name: 'an exception is of any reason that it names',
    edits: [
      {
        file: TRUE_EVENT,
        from: "return reason === verdict && reason !== 'ambiguous'",
        to: "return reason !== 'ambiguous' && verdict !== 'ambiguous'",
      },
    ],
    test: forged('an exception of a reason that does not hold is not signed'),
  },
  {
    name: 'an event is sent to whoever has the delivery',
    edits: [
      {
        file: FACTS_OF_EVENT,
        from: "WHERE s.id = ${sql.placeholder('sessionId')} AND s.merchant_id = ${sql.placeholder('merchantId')})",
        to: "WHERE s.id = ${sql.placeholder('sessionId')} AND ${sql.placeholder('merchantId')}::uuid IS NOT NULL)",
      },
    ],
    test: forged("a true event is not sent to another merchant's endpoint"),
  },
  {
    name: 'a payload may be put into another workflow',
    edits: [{ file: CODEC, from: '    refuseOther(textOf(bound), context);\n', to: '' }],
    test: codec('binds what it stores to its workflow and namespace'),
  },
  {
    name: 'what stands beside a ciphertext may be changed',
    edits: [
      {
        file: CODEC,
        from: 'Wire.encode(payload).finish(), additionalData(first.id, bound))',
        to: "Wire.encode(payload).finish(), 'x')",
      },
      {
        file: CODEC,
        from: 'unseal(key, data, additionalData(id, textOf(bound)))',
        to: "unseal(key, data, 'x')",
      },
    ],
    test: codec('and to what stands beside it'),
  },
  {
    name: 'what is not encrypted is read',
    edits: [
      {
        file: CODEC,
        from: 'if (readsPlaintext) return payload;',
        to: 'if (payload) return payload;',
      },
    ],
    test: codec('refuses what is not encrypted, unless it is told to read it'),
  },
  {
    name: 'an empty secret signs',
    edits: [
      {
        file: 'src/webhook/sign.ts',
        from: "if (key.length === 0) throw new RangeError('A webhook secret without a key signs nothing.');",
        to: '',
      },
    ],
    test: inTest('webhook/sign', 'a secret without a key signs nothing'),
  },
];
