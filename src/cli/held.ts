import { Command } from 'commander';
import { Refusal } from '../domain/failure.ts';
import type { Db } from '../db/connection.ts';
import {
  heldOfSession,
  heldSessions,
  type HeldPayment,
  type HeldSession,
  type HeldSum,
} from '../db/held.ts';
import { everyHeld, heldOfGone, heldWithoutSession } from '../db/held-strays.ts';
import { withDatabase } from './operator.ts';
import { print, printLines, printOneOf } from './output.ts';
import { uuid } from './input.ts';

/** So many sessions, and so many payments without one, are shown at once. */
const SHOWN = 50;

type Options = {
  readonly account?: string;
  readonly session?: string;
  readonly all?: true;
  readonly after?: string;
};

/** A part of a list: `isMore` says that there are others behind it. */
type Part = { readonly payments: readonly HeldPayment[]; readonly isMore: boolean };

/** What is shown at once. */
type Shown = {
  readonly sessions: readonly HeldSession[];
  /** Give it to --after; null: there are no further sessions. */
  readonly next: string | null;
  readonly withoutSession: Part;
  readonly sessionGone: Part;
};

/** `settle payments held` */
export function heldCommand(): Command {
  return new Command('held')
    .description('money that was received and not used, with the reason')
    .option('--account <G…>', 'only what one account received')
    .option('--session <id>', 'every held payment of one session, one after the other')
    .option('--all', 'every held payment, one after the other')
    .option('--after <session id>', 'the sessions behind this one')
    .action(async (options: Options, command: Command) => {
      const { account = null, session, all, after } = options;
      if (session !== undefined && (all === true || after !== undefined)) {
        throw new Refusal(
          'InvalidInput',
          '--session lists all of one session: leave the others out.',
        );
      }
      await withDatabase(async ({ db }) => {
        if (session !== undefined)
          return list(command, heldOfSession(db, uuid(session, 'session')));
        if (all === true) return list(command, everyHeld(db, account));
        print(
          command,
          await firstOf(db, account, after === undefined ? null : uuid(after, 'after')),
          inWords,
        );
      });
    });
}

/** Prints payments as they are read, so that a list of any length fits. */
async function list(command: Command, pages: AsyncIterable<HeldPayment[]>): Promise<void> {
  let isEmpty = true;
  for await (const page of pages) {
    for (const payment of page) printOneOf(command, payment, paymentInWords);
    isEmpty &&= page.length === 0;
  }
  if (isEmpty && command.optsWithGlobals<{ json?: boolean }>().json !== true) {
    printLines(NOTHING);
  }
}

const NOTHING = 'Nothing is held.';

async function firstOf(db: Db, account: string | null, from: string | null): Promise<Shown> {
  const sessions: HeldSession[] = [];
  let next = from;
  do {
    const page = await heldSessions(db, account, next);
    sessions.push(...page.found);
    next = page.next;
  } while (next !== null && sessions.length < SHOWN);
  const shown = sessions.slice(0, SHOWN);
  return {
    sessions: shown,
    next: sessions.length > SHOWN ? (shown.at(-1)?.sessionId ?? null) : next,
    withoutSession: await partOf(heldWithoutSession(db, account)),
    sessionGone: await partOf(heldOfGone(db, account)),
  };
}

async function partOf(pages: AsyncIterable<HeldPayment[]>): Promise<Part> {
  const payments: HeldPayment[] = [];
  for await (const page of pages) {
    payments.push(...page);
    if (payments.length > SHOWN) break;
  }
  return { payments: payments.slice(0, SHOWN), isMore: payments.length > SHOWN };
}

function inWords({ sessions, next, withoutSession, sessionGone }: Shown): string {
  const lines = [
    ...sessions.flatMap(sessionInWords),
    ...(next === null ? [] : [`Further sessions: --after ${next}.`]),
    ...partInWords(withoutSession, 'without a session'),
    ...partInWords(sessionGone, 'of sessions that are gone'),
  ];
  return lines.join('\n') || NOTHING;
}

function sessionInWords({ sessionId, sums, payments, isAll }: HeldSession): string[] {
  if (isAll) return payments.map(paymentInWords);
  return [
    `session ${sessionId} holds many payments; \`--session ${sessionId}\` lists them all.`,
    ...sums.map(sumInWords),
    '  Among the first and the last of its payments:',
    ...payments.map(paymentInWords),
  ];
}

function sumInWords({ reason, asset, amount, payments }: HeldSum): string {
  const count = payments === null ? '' : ` in ${payments} payments`;
  const sum = asset === null ? 'further assets' : `${amount} ${asset}`;
  return `  ${reason.padEnd(18)} ${sum}${count}`;
}

function partInWords({ payments, isMore }: Part, what: string): string[] {
  return [
    ...payments.map(paymentInWords),
    ...(isMore ? [`There are more payments ${what}: \`--all\` lists them.`] : []),
  ];
}

function paymentInWords(p: HeldPayment): string {
  const named =
    p.sessionId === null ? `reference ${p.reference ?? 'none'}` : `session ${p.sessionId}`;
  return (
    `${p.closedAt}  ${p.reason.padEnd(18)} ${p.amount} ${p.asset}\n` +
    `  from ${p.sender} to ${p.account}\n` +
    `  ${p.payment}  ${named}`
  );
}
