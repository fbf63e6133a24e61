/** Where results are kept, and the page that is made of them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { ARMS, type ArmName } from './arms/list.ts';
import { barsOf, curves } from './plot.ts';
import { report } from './report.ts';
import { spread, type Results } from './results.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const FULL = join(here, 'results', 'results.json');
const PAGE = join(here, '..', 'docs', 'performance.md');
/** The part of the page that is made of the results stands between these. */
const [BEGIN, END] = ['<!-- bench: begin -->', '<!-- bench: end -->'];

/** The last full results; null when there are none. */
export function lastResults(): Results | null {
  return existsSync(FULL) ? (JSON.parse(readFileSync(FULL, 'utf8')) as Results) : null;
}

/** Writes a full run's JSON, plots and part of docs/performance.md; a smaller one's into bench/results/quick. Returns the text. */
export async function write(results: Results, isFull: boolean): Promise<string> {
  const folder = join(here, 'results', 'quick');
  const plots = isFull ? join(here, '..', 'docs', 'performance') : folder;
  mkdirSync(isFull ? plots : folder, { recursive: true });
  const text = report(results, isFull ? 'performance' : '.');
  writeFileSync(isFull ? FULL : join(folder, 'results.json'), `${JSON.stringify(results)}\n`);
  for (const [name, svg] of Object.entries(drawn(results))) writeFileSync(join(plots, name), svg);
  if (!isFull) writeFileSync(join(folder, 'report.md'), text);
  else await putIntoPage(text);
  return text;
}

async function putIntoPage(text: string): Promise<void> {
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the bench's results.`);
  const whole = `${page.slice(0, from + BEGIN.length)}\n\n${text}\n\n${page.slice(to)}`;
  const style = { parser: 'markdown', singleQuote: true, printWidth: 100 } as const;
  writeFileSync(PAGE, await format(whole, style));
}

function drawn({ arms, own }: Results): Record<string, string> {
  const settled = (Object.keys(ARMS) as ArmName[]).flatMap((name) => {
    const s = spread(arms[name]?.runs ?? [], ({ closed }) => closed.settledPerSecond);
    return s ? [{ name: ARMS[name].title, value: s.median, min: s.min, max: s.max }] : [];
  });
  const byCrowd = Map.groupBy(own.growth, ({ crowd }) => crowd);
  return {
    ...(settled.length === 0
      ? {}
      : { 'arms.svg': barsOf('Sessions settled a second, webhook included', settled) }),
    ...(own.pages.length === 0
      ? {}
      : {
          'pages.svg': curves(
            'What a payment costs, by the size of its page',
            { x: 'payments in a page', y: 'for each payment' },
            [
              { name: 'round trips', points: own.pages.map((p) => [p.payments, p.roundTrips]) },
              { name: 'fsyncs', points: own.pages.map((p) => [p.payments, p.walFsyncs]) },
            ],
          ),
        }),
    ...(own.growth.length === 0
      ? {}
      : {
          'growth.svg': curves(
            'Payments committed a second, in full pages, beside …',
            { x: 'so many of them', y: 'payments a second' },
            [...byCrowd].map(([name, all]) => ({
              name,
              points: all.map((g) => [g.count, g.perSecond] as const),
            })),
          ),
        }),
  };
}
