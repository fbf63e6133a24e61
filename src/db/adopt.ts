/**
 * What adopting a database would do: asked of the database as it stands, migrated or not, in one read-only snapshot. On
 * a database that was never migrated only the older backend's own columns are there to be asked.
 */
import { Client } from 'pg';
import { SEARCH_PATH } from './connection.ts';
import { INDEX_NAMES } from './indexes.ts';
import { storedHistory } from './migrate.ts';
import {
  ADDED_COLUMNS,
  ADDED_TABLES,
  NEEDED,
  OLDEST_POSTGRESQL,
  onlyOne,
  readSchema,
} from './adopt-schema.ts';

/** What migrate and the first reconciliation will meet. Counts are sessions unless they say otherwise. */
export type Adoption = {
  readonly migrated: boolean;
  /** What an older backend ended before this stands by its row; what it ended since is judged anew. ISO 8601. */
  readonly historyFrom: string;
  readonly stops: readonly string[];
  readonly adds: {
    readonly tables: string[];
    readonly columns: string[];
    readonly indexes: string[];
  };
  readonly sessions: {
    readonly all: number;
    readonly open: number;
    readonly openPastDeadline: number;
    readonly stuckProcessing: number;
    readonly endedSince: number;
    readonly endedBefore: number;
    readonly paid: number;
    readonly paidWithoutRow: number;
    readonly rowButNotPaid: number;
  };
  /** Rows of `payments` that will point to another one of the same session. */
  readonly doubledPayments: number;
  /** Open webhooks, by event. */
  readonly openDeliveries: Readonly<Record<string, number>>;
  /** Accounts whose payments are read back from Horizon, all pages, and from when. */
  readonly accounts: readonly { account: string; readFrom: string; sessions: number }[];
  /** What needs a person, as far as the rows show. */
  readonly person: readonly string[];
};

/** Changes nothing. `historyFrom` is what the first migration would store; null: 30 days ago. */
export async function checkAdoption(url: string, historyFrom: Date | null): Promise<Adoption> {
  const client = new Client({
    connectionString: url,
    application_name: 'settle adopt --check',
    options: SEARCH_PATH,
  });
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    return await ask(client, historyFrom);
  } finally {
    await client.end();
  }
}

async function ask(client: Client, wanted: Date | null): Promise<Adoption> {
  const schema = await readSchema(client);
  const missing = NEEDED.filter((table) => !schema.tables.has(table));
  const stored = schema.migrated ? await storedHistory(client) : null;
  const historyFrom = stored ?? (wanted ?? new Date(Date.now() - 30 * 86_400_000)).toISOString();
  const adds = {
    tables: ADDED_TABLES.filter((table) => !schema.tables.has(table)),
    columns: ADDED_COLUMNS.filter((column) => !schema.columns.has(column)),
    indexes: INDEX_NAMES.filter((index) => !schema.indexes.has(index)),
  };
  const stops = [
    ...(missing.length > 0 && missing.length < NEEDED.length
      ? [
          `The table(s) ${missing.join(', ')} are missing: this is no database of the backend, or half of one.`,
        ]
      : []),
    ...(schema.version < OLDEST_POSTGRESQL
      ? [`PostgreSQL ${Math.floor(schema.version / 10_000)} is too old: it must be 15 or newer.`]
      : []),
    ...schema.foreign.map(
      (table) =>
        `The table ${table} belongs to another role: run \`settle migrate\` as its owner, or as a member of that role.`,
    ),
    ...(schema.mayCreate
      ? []
      : ['The role may not create a schema here: GRANT CREATE ON DATABASE … TO it.']),
  ];
  if (missing.length > 0)
    return { ...NOTHING, migrated: schema.migrated, historyFrom, stops, adds };
  return {
    migrated: schema.migrated,
    historyFrom,
    stops,
    adds,
    ...(await readRows(client, historyFrom, schema.columns)),
  };
}

const NOTHING = {
  sessions: {
    all: 0,
    open: 0,
    openPastDeadline: 0,
    stuckProcessing: 0,
    endedSince: 0,
    endedBefore: 0,
    paid: 0,
    paidWithoutRow: 0,
    rowButNotPaid: 0,
  },
  doubledPayments: 0,
  openDeliveries: {},
  accounts: [],
  person: [],
} as const;

async function readRows(client: Client, historyFrom: string, columns: ReadonlySet<string>) {
  // Where our columns are there already, what settle has closed or found is no longer an old row.
  const closed = columns.has('checkout_sessions.closed_through_ledger')
    ? '(s.closed_through_ledger IS NOT NULL)'
    : 'false';
  const live = columns.has('payments.superseded_by') ? 'p.superseded_by IS NULL' : 'true';
  const ours = columns.has('webhook_deliveries.event_id') ? 'd.event_id IS NOT NULL' : 'false';
  const hasRow = `EXISTS (SELECT FROM payments p WHERE p.session_id = s.id AND ${live})`;
  const { rows } = await client.query<{ found: Found & Doubts }>(
    `SELECT json_build_object(
      'sessions', (SELECT json_build_object('all', count(*),
        'open', count(*) FILTER (WHERE status IN ('pending', 'processing')),
        'openPastDeadline', count(*) FILTER (WHERE status IN ('pending', 'processing') AND expires_at < now()),
        'stuckProcessing', count(*) FILTER (WHERE status = 'processing' AND created_at < now() - interval '5 minutes'),
        'endedSince', count(*) FILTER (WHERE status IN ('expired', 'cancelled') AND NOT ${closed} AND created_at >= $1),
        'endedBefore', count(*) FILTER (WHERE status IN ('expired', 'cancelled') AND NOT ${closed} AND created_at < $1),
        'paid', count(*) FILTER (WHERE status = 'paid'),
        'paidWithoutRow', count(*) FILTER (WHERE status = 'paid' AND NOT ${hasRow}),
        'rowButNotPaid', count(*) FILTER (WHERE status <> 'paid' AND ${hasRow})) FROM checkout_sessions s),
      'doubledPayments', (SELECT coalesce(sum(n - 1), 0) FROM (
        SELECT count(*) AS n FROM payments p WHERE ${live} GROUP BY session_id HAVING count(*) > 1) d),
      'openDeliveries', coalesce((SELECT json_object_agg(event, n) FROM (
        SELECT event, count(*) AS n FROM webhook_deliveries d
        WHERE status IN ('pending', 'failed') AND NOT ${ours} GROUP BY event) o), '{}'),
      'accounts', coalesce((SELECT json_agg(json_build_object('account', account, 'sessions', n,
          'readFrom', to_char(oldest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ORDER BY n DESC) FROM (
        SELECT receiving_account AS account, min(created_at) AS oldest, count(*) AS n FROM checkout_sessions
        WHERE status IN ('pending', 'processing') OR created_at >= $1 GROUP BY 1) a), '[]'),
      'colliding', (SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM checkout_sessions
        WHERE memo IS NOT NULL GROUP BY receiving_account, memo HAVING count(*) > 1) c),
      'withoutMemo', (SELECT count(*) FROM checkout_sessions s
        WHERE memo IS NULL AND status IN ('pending', 'processing')),
      'withoutIssuer', (SELECT count(*) FROM checkout_sessions s
        WHERE asset_issuer IS NULL AND asset_code <> 'XLM' AND status IN ('pending', 'processing')),
      'foreignEvents', (SELECT count(*) FROM webhook_deliveries d WHERE status IN ('pending', 'failed')
        AND NOT ${ours} AND (event <> 'payment.confirmed' OR session_id IS NULL))) AS found`,
    [historyFrom],
  );
  const { colliding, withoutMemo, withoutIssuer, foreignEvents, ...found } = onlyOne(rows).found;
  const person = (
    [
      [
        found.sessions.paidWithoutRow,
        'paid session(s) without a payments row: those without money on the ledger',
      ],
      [colliding, 'session(s) that share a memo on one account: payments with it are held'],
      [withoutMemo, 'open session(s) without a memo: no payment can name them'],
      [
        withoutIssuer,
        'open session(s) in an issued asset without its issuer: nothing can pay them',
      ],
      [
        foreignEvents,
        'open webhook(s) of no session or of another event than payment.confirmed: they are not sent',
      ],
    ] as const
  )
    .filter(([n]) => n > 0)
    .map(([n, what]) => `${n} ${what}`);
  return { ...found, person };
}

type Found = Pick<Adoption, 'sessions' | 'doubledPayments' | 'openDeliveries' | 'accounts'>;

type Doubts = {
  readonly colliding: number;
  readonly withoutMemo: number;
  readonly withoutIssuer: number;
  readonly foreignEvents: number;
};
