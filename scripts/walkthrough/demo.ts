/** The demo's screen, as the README shows it: two rows of its table, and what stands around it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const BLOCK = /(What you will see, shortened:\n\n```text\n).*?(\n```)/s;
/** Rows of the table that are shown. */
const ROWS = 2;

/** Plays the demo. Returns the README with its screen. @throws Error when the demo does not end as it should */
export async function withDemo(readme: string): Promise<string> {
  if (!BLOCK.test(readme)) throw new Error('README.md has no place for the screen of the demo.');
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'demo'], {
    maxBuffer: 2 ** 24,
  });
  const screen = shortened(stdout);
  return readme.replace(BLOCK, (_whole, before: string, after: string) => before + screen + after);
}

function shortened(screen: string): string {
  const lines = screen.split('\n');
  const [top, bottom] = [
    lines.findIndex((line) => line.startsWith('┌')),
    lines.findIndex((line) => line.startsWith('└')),
  ];
  const rules = lines.flatMap((line, i) => (line.startsWith('├') ? [i] : []));
  const last = rules[ROWS] ?? bottom;
  const width = (lines[top] ?? '').length;
  const more = `│ … ${rules.length - ROWS} more`.padEnd(width - 1);
  const audit = lines.findIndex((line) => line.startsWith('Audit:'));
  return [
    ...lines.slice(0, top),
    ...lines.slice(top, last + 1),
    `${more}│`,
    ...lines.slice(bottom, audit + 1),
    '',
    ...lines.slice(audit + 1).filter((line) => /^(Temporal UI|The demo ended)/.test(line)),
  ]
    .map((line) => line.trimEnd())
    .join('\n')
    .replace(/^\n+/, '')
    .trimEnd();
}
