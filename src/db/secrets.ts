/**
 * Webhook secrets as they are stored: plain, as the older backend writes them, or encrypted for one endpoint. This is the
 * only place that knows the difference.
 */
import { sql } from 'drizzle-orm';
import { seal, unseal, type KeyRing } from '../keys/key-ring.ts';
import type { Db } from './connection.ts';
import { merchantEndpointId } from './ids.ts';

/** `enc:v1:<key id>:<base64url>`. No backend's secret begins like this: they are hex, or `whsec_…`. */
const ENCRYPTED = /^enc:v1:([A-Za-z0-9_-]{1,32}):([A-Za-z0-9_-]+)$/;
const PREFIX = 'enc:v1:';

/** A stored secret, read. `locked`: encrypted, and it cannot be read here, for a reason that may be shown. */
export type ReadSecret =
  | { readonly kind: 'readable'; readonly secret: string }
  | { readonly kind: 'locked'; readonly reason: string };

/** How a secret of an endpoint is to be stored: encrypted where there are keys, plain where there are none. */
export function storedSecret(keys: KeyRing | null, endpointId: string, secret: string): string {
  if (keys === null) return secret;
  const sealed = seal(keys.first, Buffer.from(secret), endpointId);
  return `${PREFIX}${keys.first.id}:${sealed.toString('base64url')}`;
}

/**
 * What is stored for an endpoint, readable. A secret is bound to its endpoint: copied to another one it cannot be read,
 * so that who may write this table, but has no key, cannot have events signed by somebody else's secret.
 */
export function readSecret(keys: KeyRing | null, endpointId: string, stored: string): ReadSecret {
  const [, id, sealed] = ENCRYPTED.exec(stored) ?? [];
  if (id === undefined || sealed === undefined) {
    // Not to be signed with, as if it were the secret itself.
    if (stored.startsWith(PREFIX)) return { kind: 'locked', reason: 'The secret is damaged.' };
    return { kind: 'readable', secret: stored };
  }
  const key = keys?.byId.get(id);
  if (key === undefined) {
    return {
      kind: 'locked',
      reason: `The secret is encrypted with the key "${id}", which is not in WEBHOOK_SECRET_KEYS.`,
    };
  }
  try {
    const secret = unseal(key, Buffer.from(sealed, 'base64url'), endpointId).toString();
    return { kind: 'readable', secret };
  } catch {
    return {
      kind: 'locked',
      reason: `The secret cannot be decrypted with the key "${id}": it was changed, or is another endpoint's.`,
    };
  }
}

/** Under which key a stored secret is; null: plain. */
function keyOf(stored: string): string | null {
  return ENCRYPTED.exec(stored)?.[1] ?? null;
}

/** Where secrets stand. The id of a merchant's own `webhook_url` as an endpoint is derived. */
const PLACES = {
  'merchants.webhook_secret': { table: 'public.merchants', id: 'id', column: 'webhook_secret' },
  'webhook_endpoints.secret': { table: 'public.webhook_endpoints', id: 'id', column: 'secret' },
  'endpoint_state.previous_secret': {
    table: 'settlement.endpoint_state',
    id: 'endpoint_id',
    column: 'previous_secret',
  },
} as const;

/** One of the columns that hold secrets. */
export type Place = keyof typeof PLACES;

const PLACE_NAMES = Object.keys(PLACES) as Place[];

/** How many secrets of a place are under a key; null: plain. */
export type SecretCount = {
  readonly place: Place;
  readonly key: string | null;
  readonly secrets: number;
};

/** Counts them, by place and key. */
export async function countSecrets(db: Db): Promise<SecretCount[]> {
  const counts = [];
  for (const place of PLACE_NAMES) {
    const { table, column } = namesOf(place);
    const { rows } = await db.execute<{ key: string | null; secrets: number }>(sql`
      SELECT substring(${column} FROM '^enc:v1:([^:]+):') AS key, count(*)::int AS secrets
      FROM ${table} WHERE ${column} IS NOT NULL AND ${column} <> '' GROUP BY 1 ORDER BY 1 NULLS FIRST`);
    counts.push(...rows.map((row) => ({ place, ...row })));
  }
  return counts;
}

/** What a rewriting did. `locked`: left as they are, since no key here reads them. */
export type Rewritten = {
  readonly changed: number;
  readonly right: number;
  readonly locked: number;
};

/**
 * Brings every stored secret under the first key (plain ones and those of older keys), or back to plain where `to` is
 * `plain`. Page by page, each secret by compare-and-set: one that is replaced meanwhile stays as its replacer wrote it.
 * Safe to stop and to run again.
 */
export async function rewriteSecrets(
  db: Db,
  keys: KeyRing,
  to: 'first key' | 'plain',
  onPage: (done: Rewritten) => void = () => undefined,
): Promise<Rewritten> {
  const wanted = to === 'plain' ? null : keys.first.id;
  let done: Rewritten = { changed: 0, right: 0, locked: 0 };
  for (const place of PLACE_NAMES) {
    for await (const page of pagesOf(db, place)) {
      const changes = [];
      for (const { id, stored } of page) {
        const endpointId = place === 'merchants.webhook_secret' ? merchantEndpointId(id) : id;
        if (keyOf(stored) === wanted) {
          done = { ...done, right: done.right + 1 };
          continue;
        }
        const read = readSecret(keys, endpointId, stored);
        if (read.kind === 'locked') done = { ...done, locked: done.locked + 1 };
        else {
          const after = storedSecret(to === 'plain' ? null : keys, endpointId, read.secret);
          changes.push({ id, before: stored, after });
        }
      }
      done = { ...done, changed: done.changed + (await replace(db, place, changes)) };
      onPage(done);
    }
  }
  return done;
}

const PAGE = 200;

type Stored = { id: string; stored: string };

async function* pagesOf(db: Db, place: Place): AsyncGenerator<Stored[]> {
  const { table, id, column } = namesOf(place);
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const { rows } = await db.execute<Stored>(sql`
      SELECT ${id} AS id, ${column} AS stored FROM ${table}
      WHERE ${id} > ${after}::uuid AND ${column} IS NOT NULL AND ${column} <> ''
      ORDER BY ${id} LIMIT ${PAGE}`);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    after = last.id;
  }
}

async function replace(
  db: Db,
  place: Place,
  changes: readonly { id: string; before: string; after: string }[],
): Promise<number> {
  if (changes.length === 0) return 0;
  const { table, id, column } = namesOf(place);
  const { rowCount } = await db.execute(sql`
    UPDATE ${table} t SET ${column} = x.after
    FROM jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) AS x(id uuid, before text, after text)
    WHERE t.${id} = x.id AND t.${column} = x.before`);
  return rowCount ?? 0;
}

function namesOf(place: Place) {
  const { table, id, column } = PLACES[place];
  return { table: sql.raw(table), id: sql.raw(id), column: sql.raw(column) };
}

/** What a process with these keys could not sign, in words; empty when it reads every secret. */
export async function secretProblems(db: Db, keys: KeyRing | null): Promise<string[]> {
  const used = new Set((await countSecrets(db)).map(({ key }) => key));
  return [...used]
    .filter((key) => key !== null && keys?.byId.has(key) !== true)
    .map(
      (key) =>
        `Webhook secrets are encrypted with the key "${key}", which is not in WEBHOOK_SECRET_KEYS.`,
    );
}
