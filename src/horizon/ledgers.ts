import type { ClosedLedger, Head } from '../domain/ledger-source.ts';
import { HorizonUnavailable } from './errors.ts';
import type { HorizonHttp } from './http.ts';
import { ledgerSchema } from './records.ts';

/** Ledgers remembered: an hour and a half of them on the public network. */
const REMEMBERED = 1000;
/** About how long a ledger takes. Only a first guess: the search checks what it finds. */
const LEDGER_MS = 5_000;

/** The part of the ledger source that knows when ledgers closed. */
export function createLedgers(http: HorizonHttp, head: () => Promise<Head>) {
  const known = new Map<number, ClosedLedger>();

  async function ledger(sequence: number): Promise<ClosedLedger | null> {
    const remembered = known.get(sequence);
    if (remembered) return remembered;
    const read = await readLedger(http, sequence);
    if (read === null) return null;
    const found = { sequence, closedAt: read.closed_at };
    known.set(sequence, found);
    const [oldest] = known.keys();
    if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest);
    return found;
  }

  /** Steps back from the head in doubling strides, so that a time long ago costs some twenty requests at most. */
  async function ledgerClosedBefore(time: Date): Promise<ClosedLedger> {
    const { latestLedger, latestClosedAt, oldestLedger } = await head();
    if (latestClosedAt < time) return { sequence: latestLedger, closedAt: latestClosedAt };
    let stride = Math.ceil((latestClosedAt.getTime() - time.getTime()) / LEDGER_MS) + 1;
    for (;;) {
      const sequence = Math.max(latestLedger - stride, oldestLedger);
      const found = await ledger(sequence);
      if (found === null) {
        throw new HorizonUnavailable(
          `Horizon does not show ledger ${sequence}, which it said it has.`,
        );
      }
      if (found.closedAt < time || sequence === oldestLedger) return found;
      stride *= 2;
    }
  }

  return {
    ledger,
    ledgerClosedBefore,
    ledgerHash: async (sequence: number) => (await readLedger(http, sequence))?.hash ?? null,
  };
}

async function readLedger(http: HorizonHttp, sequence: number) {
  const answer = await http.get(`/ledgers/${sequence}`);
  if (answer === null) return null;
  const parsed = ledgerSchema.safeParse(answer.body);
  if (!parsed.success || parsed.data.sequence !== sequence) {
    throw new HorizonUnavailable(`Horizon's answer about ledger ${sequence} cannot be read.`);
  }
  return parsed.data;
}
