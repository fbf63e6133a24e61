import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { NotAnswered, Refusal } from '../domain/failure.ts';
import { configSchema, loadConfig } from '../config.ts';
import { audit, PATIENCE_MS, type AuditReport } from '../db/audit.ts';
import type { Finding, Found } from '../db/audit-findings.ts';
import {
  auditHorizon,
  LedgerNotShown,
  type HorizonReport,
  type LedgerRange,
  type LedgerToAudit,
} from '../db/audit-horizon.ts';
import { auditRuns, type RunsReport } from '../db/audit-runs.ts';
import type { Counted } from '../db/audit-excuses.ts';
import { CHECKS, type Check } from '../domain/audit.ts';
import { EXCUSES, type ExcuseReason } from '../domain/audit-evidence.ts';
import { isAccount } from '../horizon/address.ts';
import { HorizonRefused } from '../horizon/errors.ts';
import { runState } from '../temporal.ts';
import { sessionWorkflowId } from '../workflows/contract.ts';
import { EXIT } from './errors.ts';
import { withDatabase, withLedger } from './operator.ts';
import { print } from './output.ts';
import { withTemporal } from './temporal.ts';

type Options = {
  /** The address of another Horizon; true: the one of HORIZON_URL. */
  readonly horizon?: string | true;
  readonly fromLedger?: number;
  readonly toLedger?: number;
  readonly account?: string;
  readonly runs?: boolean;
};

type Whole = AuditReport & { readonly horizon?: HorizonReport; readonly runs?: RunsReport };

/** `settle audit` */
export function auditCommand(top: Command): Command {
  return top
    .option(
      '--horizon [url]',
      'also read the ledger anew, from HORIZON_URL or from another Horizon, and compare hashes, counts and payments with it',
      horizonAddress,
    )
    .option('--from-ledger <N>', 'with --horizon: from this ledger on', ledgerNumber)
    .option('--to-ledger <N>', 'with --horizon: through this ledger', ledgerNumber)
    .option('--account <G…>', 'with --horizon: one account only')
    .option('--runs', 'also ask Temporal whether every session that is not at rest has its run')
    .action(async (options: Options, command: Command) => {
      const range = rangeOf(options);
      const env = environment(options);
      // Better now than after the rows were read, which may take minutes.
      if (options.horizon !== undefined) loadConfig(env);
      const rows = await withDatabase(({ db }) => audit(db, { patienceMs: PATIENCE_MS }));
      const horizon = options.horizon === undefined ? null : await compare(range, env);
      const runs = options.runs === true ? await lookForRuns() : null;
      const found = [rows, horizon, runs].filter((part) => part !== null);
      const report: Whole = {
        ...rows,
        findings: found.flatMap(({ findings }) => findings),
        more: Object.assign({}, ...found.map(({ more }) => more)) as Found['more'],
        ...(horizon === null ? {} : { horizon }),
        ...(runs === null ? {} : { runs }),
      };
      print(command, report, inWords);
      if (report.findings.length > 0) process.exitCode = EXIT.failed;
    });
}

function horizonAddress(text: string): string {
  if (configSchema.shape.HORIZON_URL.safeParse(text).success) return text;
  throw new Refusal('InvalidInput', `Not the address of a Horizon: ${JSON.stringify(text)}.`);
}

/** The environment, in which another Horizon stands for the one that the workers read from. */
function environment({ horizon }: Options): NodeJS.ProcessEnv {
  if (typeof horizon !== 'string') return process.env;
  const { HORIZON_URL_FILE: _, ...env } = process.env;
  return { ...env, HORIZON_URL: horizon };
}

function ledgerNumber(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new Refusal('InvalidInput', `Not the number of a ledger: ${JSON.stringify(text)}.`);
}

function rangeOf({ horizon, fromLedger, toLedger, account }: Options): LedgerRange {
  const no = (problem: string) => new Refusal('InvalidInput', problem);
  if (horizon === undefined && (fromLedger ?? toLedger ?? account) !== undefined) {
    throw no('--from-ledger, --to-ledger and --account say what to compare: add --horizon.');
  }
  if (account !== undefined && !isAccount(account)) {
    throw no(`--account: not a Stellar account (G…): ${JSON.stringify(account)}.`);
  }
  if (fromLedger !== undefined && toLedger !== undefined && fromLedger > toLedger) {
    throw no(`--from-ledger ${fromLedger} lies after --to-ledger ${toLedger}.`);
  }
  return {
    fromLedger: fromLedger ?? null,
    toLedger: toLedger ?? null,
    account: account ?? null,
  };
}

/** Horizon may be out of breath for a moment: so many tries, the pauses from one second on, each twice the last. */
const TRIES = 5;

async function compare(range: LedgerRange, env: NodeJS.ProcessEnv): Promise<HorizonReport> {
  return withLedger(async ({ db }, source) => {
    const patient: LedgerToAudit = {
      head: () => again(() => source.head()),
      page: (account, cursor, limit) => again(() => source.page(account, cursor, limit)),
      ledger: (sequence) => again(() => source.ledger(sequence)),
      wholeLedger: (header, accounts) => again(() => source.wholeLedger(header, accounts)),
    };
    try {
      return await auditHorizon(db, patient, range);
    } catch (error) {
      if (error instanceof LedgerNotShown) throw new NotAnswered(error.message, { cause: error });
      throw error;
    }
  }, env);
}

async function again<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === TRIES || error instanceof HorizonRefused) throw error;
      await sleep(500 * 2 ** attempt);
    }
  }
}

function lookForRuns(): Promise<RunsReport> {
  return withTemporal((client) =>
    withDatabase(({ db }) =>
      auditRuns(db, async (id) => (await runState(client, sessionWorkflowId(id))) === 'runs', {
        patienceMs: 10_000,
      }),
    ),
  );
}

function inWords(report: Whole): string {
  const { sessions, ledgerPayments, events, findings, more, horizon, runs } = report;
  const scope = `${sessions} sessions, ${ledgerPayments} ledger payments and ${events} events`;
  const rest = Object.entries(more).map(
    ([check, count]) => `… and ${count} more of: ${CHECKS[check as Check]}.`,
  );
  return [
    ...(findings.length === 0
      ? [`P1, P2, P3 and P4 hold for ${scope}.`]
      : [`${total(report)} promise(s) broken among ${scope}:`, ...findings.map(line), ...rest]),
    ...countInWords(
      report.foreignWrites,
      'change(s) of a status were made by somebody else (an older backend, say); no promise is broken by that:',
    ),
    `The chain has ${report.ledgers} ledgers. ${report.waiting} ledger payments wait for what is not read yet.`,
    ...countInWords(
      report.anchors,
      'ledger(s) of the chain are believed as they are, since nothing before them is known:',
    ),
    ...Object.entries(report.excused).flatMap(([reason, counted]) =>
      countInWords(counted, `excused: ${EXCUSES[reason as ExcuseReason]}:`),
    ),
    ...(horizon === undefined ? [] : horizonInWords(horizon)),
    ...(runs === undefined
      ? []
      : [`${runs.sessions} sessions are not at rest; ${runs.findings.length} lack their run.`]),
  ].join('\n');
}

function line({ promise, subject, problem }: Finding): string {
  return `${promise}  ${subject}: ${problem}`;
}

function total({ findings, more }: Found): number {
  return Object.values(more).reduce((sum, count) => sum + count, findings.length);
}

function countInWords({ count, examples }: Counted, what: string): string[] {
  if (count === 0) return [];
  return [
    `${count} ${what}`,
    ...examples.map(({ subject, problem }) => `    ${subject}: ${problem}`),
    ...(count > examples.length ? [`    … and ${count - examples.length} more.`] : []),
  ];
}

function horizonInWords({ accounts, oldestLedger, headers, compared }: HorizonReport): string[] {
  return [
    `Compared with Horizon (its oldest ledger is ${oldestLedger}): ${accounts} account(s), ${headers.compared} header(s) of the chain (${headers.notShown} not shown).`,
    ...countInWords(
      headers.fewer,
      'header(s) count fewer operations there than in the chain: that Horizon filters, or the one that was read invents:',
    ),
    ...compared.map(
      ({ account, asset, fromLedger, throughLedger, horizon, inbox }) =>
        `    ${account} ${asset}, ledgers ${fromLedger}–${throughLedger}: ` +
        `Horizon ${horizon.payments} payments, ${horizon.sum}; inbox ${inbox.payments}, ${inbox.sum}`,
    ),
  ];
}
