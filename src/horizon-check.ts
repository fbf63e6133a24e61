/** Says at a worker's start, and once an hour, where its Horizon or its request budget does not suffice. Refuses nothing. */
import type { Deps } from './activities/deps.ts';
import {
  paceOf,
  requestsNeeded,
  shortage,
  type RequestsNeeded,
  type Shortage,
} from './activities/watch/requests-needed.ts';
import { countWatched, newestLedgers } from './db/reading-load.ts';

/** What checking needs: what the watcher reads with, and the setting HORIZON_REQUESTS_PER_HOUR (0: no limit). */
export type HorizonCheckDeps = Pick<
  Deps,
  'database' | 'source' | 'log' | 'pollIntervalMs' | 'readStrategy'
> & { readonly requestsPerHour: number };

/** Accounts join and ledgers fill in the course of a day. */
const EVERY_MS = 60 * 60_000;
/** Eight minutes of the public network. */
const LEDGERS_LOOKED_AT = 100;
/** The reaper of earlier versions can delete rows that live ingestion refers to (stellar-horizon CHANGELOG, #222). */
const FIRST_SOUND_VERSION = 28;

/** A check that logs a warning when it first applies, and again only after it did not. */
export type HorizonCheck = () => Promise<void>;

/** Checks now and every hour, beside everything else; returns how to end it. What cannot be asked now is asked again an hour later. */
export function keepCheckingHorizon(deps: HorizonCheckDeps): () => Promise<void> {
  const check = createHorizonCheck(deps);
  const checked = () =>
    check().catch((error: unknown) =>
      deps.log.warn({ err: error }, 'The request budget could not be checked.'),
    );
  let checking = checked();
  const timer = setInterval(() => {
    checking = checked();
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    // What it asks with is closed next.
    return checking;
  };
}

/** Makes a check that remembers what it has logged. It throws whatever database and source throw. */
export function createHorizonCheck(deps: HorizonCheckDeps): HorizonCheck {
  let logged: Shortage | null = null;
  let loggedVersion: string | null = null;
  return async () => {
    const { horizonVersion } = await deps.source.head();
    if (horizonVersion !== loggedVersion && isUnsound(horizonVersion)) {
      logVersion(deps, horizonVersion);
    }
    loggedVersion = horizonVersion;
    if (deps.requestsPerHour === 0) return;
    const measured = await measure(deps);
    const short = shortage(measured.needed, deps.requestsPerHour);
    if (short !== null && short !== logged) logShortage(deps, short, measured);
    logged = short;
  };
}

type Measured = {
  readonly needed: RequestsNeeded;
  readonly accounts: number;
  readonly openAccounts: number;
  readonly requestsPerLedger: number;
};

async function measure(deps: HorizonCheckDeps): Promise<Measured> {
  const { database, source, readStrategy: strategy, pollIntervalMs } = deps;
  const watched = await countWatched(database.db);
  const known = await newestLedgers(database.db, LEDGERS_LOOKED_AT);
  const pace = paceOf(known.length > 0 ? known : [await source.newestLedger()]);
  const needed = requestsNeeded({ strategy, pollIntervalMs, ...watched, ...pace });
  return { needed, ...watched, requestsPerLedger: pace.requestsPerLedger };
}

function logShortage(
  deps: HorizonCheckDeps,
  short: Shortage,
  { needed, requestsPerLedger, ...watched }: Measured,
): void {
  const { requestsPerHour, readStrategy, pollIntervalMs, log } = deps;
  const consequence =
    short === 'reading'
      ? 'Payments are seen later than POLL_INTERVAL_MS says.'
      : 'Sessions end late if their accounts move in every ledger.';
  log.warn(
    {
      event: 'horizon.budget_short',
      short,
      requestsPerHour,
      needed: rounded(needed),
      ...watched,
      requestsPerLedger: Math.round(requestsPerLedger * 10) / 10,
      readStrategy,
      pollIntervalMs,
      see: 'docs/operations.md#when-the-request-budget-is-too-small',
    },
    `HORIZON_REQUESTS_PER_HOUR is too small for what is read. ${consequence}`,
  );
}

function rounded({ chain, accounts, ledgers, endings }: RequestsNeeded): RequestsNeeded {
  const [a, b, c, d] = [chain, accounts, ledgers, endings].map(Math.ceil);
  return { chain: a ?? 0, accounts: b ?? 0, ledgers: c ?? 0, endings: d ?? 0 };
}

function isUnsound(version: string | null): boolean {
  const major = /^v?(\d+)\./.exec(version ?? '')?.[1];
  return major !== undefined && Number(major) < FIRST_SOUND_VERSION;
}

function logVersion({ log }: HorizonCheckDeps, horizonVersion: string | null): void {
  log.warn(
    {
      event: 'horizon.version_old',
      horizonVersion,
      see: 'docs/operations.md#horizon-before-2800',
    },
    `Horizon ${horizonVersion ?? ''} can leave records out of an account's payments when it reaps. Use 28.0.0 or newer.`,
  );
}
