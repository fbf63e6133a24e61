/**
 * The audit of the whole database, from its rows alone. Reads only, and in constant memory: page by page, each page of
 * sessions in one snapshot, so that what settle writes at once is seen at once. Pages of different moments never judge
 * each other: what a check compares stands in one page.
 *
 * On a live system a snapshot can fall between two transactions of one piece of work (an account is read, its sessions are
 * settled next). What looks broken then is looked at again until it is gone, or has stood for as long as the caller
 * is patient. Everything else is wrong in whatever snapshot it is seen.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { auditChain } from './audit-chain.ts';
import type { Unsent } from './audit-events.ts';
import { createCount, createExcuses, type Counted, type Excused } from './audit-excuses.ts';
import { createCollector, type Collector, type Finding, type Found } from './audit-findings.ts';
import { auditInbox, type PaymentKey, type RowsAudited } from './audit-inbox.ts';
import { auditUndecided, type Undecided } from './audit-undecided.ts';
import { auditDeliveries, missedDeliveries } from './audit-outbox.ts';
import { sessionPages } from './audit-pages.ts';
import { auditSessions, type SessionsAudited } from './audit-sessions.ts';
import { inSnapshot } from './audit-snapshot.ts';
import { connect, type Db } from './connection.ts';

/** The verdict of the audit. */
export type AuditReport = Found & {
  readonly sessions: number;
  readonly ledgerPayments: number;
  readonly events: number;
  readonly deliveries: number;
  /** Statuses that somebody else wrote (an older backend, say), and that break no promise: how many, and the first. */
  readonly foreignWrites: Counted;
  /** Ledgers of the chain. */
  readonly ledgers: number;
  /** Where the chain begins: what came before is not known, and the ledger is believed as it is. */
  readonly anchors: Counted;
  /** Ledger payments that have no meaning yet, rightly: the ledgers before them are not all read. */
  readonly waiting: number;
  /** What would break a promise, if its reason did not excuse it. */
  readonly excused: Excused;
};

/** How the audit is made. */
export type AuditOptions = {
  /**
   * How long work under way may take, in milliseconds; 0 (unless given) for a system at rest. A promise counts as broken
   * when it is so in every look within that time.
   */
  readonly patienceMs?: number;
};

/** A system under load settles what it has read within a second or two; a burst of endings may take longer. */
export const PATIENCE_MS = 30_000;
/** The pause between two looks at what may pass. */
const LOOK_AGAIN_MS = 2_000;
/** Sessions and events remembered for a second look, before it is taken; some megabytes. */
const MOST_REMEMBERED = 10_000;

/** Audits P1–P4 over the whole database, as it stands now. */
export async function audit(db: Db, options: AuditOptions = {}): Promise<AuditReport> {
  const { patienceMs = 0 } = options;
  const collector = createCollector();
  const [foreign, excuses] = [createCount(), createExcuses()];
  const [doubtful, unsent] = [new Map<string, Finding[]>(), [] as Unsent[]];
  let [sessions, events] = [0, 0];
  for await (const page of sessionPages(db)) {
    sessions += page.sessions;
    events += page.events;
    foreign.add(page.foreign);
    excuses.add(page.excused, page.moreExcused);
    collector.add(page.found.filter(({ mayPass }) => mayPass !== true).map(bare), page.more);
    for (const [subject, found] of doubts(page)) doubtful.set(subject, found);
    if (doubtful.size >= MOST_REMEMBERED) await lookAgain(db, doubtful, patienceMs, collector);
    unsent.push(...page.unsent);
    if (unsent.length >= MOST_REMEMBERED) await lookAround(db, unsent, collector);
  }
  await lookAgain(db, doubtful, patienceMs, collector);
  await lookAround(db, unsent, collector);
  const anchors = createCount();
  const ledgers = await eachPage<number>(collector, async (after) => {
    const page = await auditChain(db, after);
    anchors.add(page.anchors.map(asAnchor));
    return page;
  });
  const undecided: Undecided[] = [];
  let waiting = 0;
  const ledgerPayments = await eachPage<PaymentKey>(collector, async (after) => {
    const page = await auditInbox(db, after);
    undecided.push(...page.undecided);
    excuses.add(page.excused);
    if (undecided.length >= MOST_REMEMBERED) {
      waiting += await auditUndecided(db, undecided.splice(0), patienceMs, collector);
    }
    return page;
  });
  waiting += await auditUndecided(db, undecided, patienceMs, collector);
  const deliveries = await eachPage<string>(collector, (after) => auditDeliveries(db, after));
  return {
    sessions,
    ledgerPayments,
    events,
    deliveries,
    ...collector.result(),
    foreignWrites: foreign.result(),
    ledgers,
    anchors: anchors.result(),
    waiting,
    excused: excuses.result(),
  };
}

/** The same for a database by its address, on a connection of its own. */
export async function auditDatabase(url: string, options: AuditOptions = {}): Promise<AuditReport> {
  const database = connect(url, { max: 3, applicationName: 'settle audit' });
  try {
    return await audit(database.db, options);
  } finally {
    await database.close();
  }
}

function asAnchor(ledger: number) {
  return { subject: `ledger ${ledger}`, problem: 'Nothing before it is known.' };
}

async function eachPage<Key>(
  collector: Collector,
  read: (after: Key | null) => Promise<RowsAudited<Key>>,
): Promise<number> {
  let rows = 0;
  let after: Key | null = null;
  do {
    const page: RowsAudited<Key> = await read(after);
    rows += page.rows;
    collector.add(page.found);
    after = page.next;
  } while (after !== null);
  return rows;
}

/** What may pass, by session. */
function doubts({ found }: SessionsAudited): Map<string, Finding[]> {
  return Map.groupBy(found.filter(({ mayPass }) => mayPass === true).map(bare), (f) => f.subject);
}

function bare({ promise, check, subject, problem }: Finding): Finding {
  return { promise, check, subject, problem };
}

/** Looks at sessions again until nothing is doubtful or patience is at its end; what has stood all the while is broken. */
async function lookAgain(
  db: Db,
  doubtful: Map<string, Finding[]>,
  patienceMs: number,
  collector: Collector,
): Promise<void> {
  for (let waited = 0; waited < patienceMs && doubtful.size > 0; waited += LOOK_AGAIN_MS) {
    await sleep(Math.min(LOOK_AGAIN_MS, patienceMs - waited));
    const ids = [...doubtful.keys()].map((subject) => subject.slice('session '.length));
    for (let i = 0; i < ids.length; i += 200) {
      const some = ids.slice(i, i + 200);
      const page = await inSnapshot(db, (snapshot) => auditSessions(snapshot, some));
      const now = doubts(page);
      for (const id of some) {
        const checks = new Set(now.get(`session ${id}`)?.map(({ check }) => check));
        const still = doubtful.get(`session ${id}`)?.filter(({ check }) => checks.has(check)) ?? [];
        if (still.length > 0) doubtful.set(`session ${id}`, still);
        else doubtful.delete(`session ${id}`);
      }
    }
  }
  for (const found of doubtful.values()) collector.add(found);
  doubtful.clear();
}

async function lookAround(db: Db, unsent: Unsent[], collector: Collector): Promise<void> {
  collector.add(await inSnapshot(db, (snapshot) => missedDeliveries(snapshot, unsent)));
  unsent.length = 0;
}
