/**
 * `npm run docs:walkthrough`: follows the newcomer's path with the product, and writes down what it typed and saw:
 * docs/walkthrough.md with its pictures, and the demo's screen in README.md. Needs Chromium (CHROMIUM, or on the PATH).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { withDemo } from './demo.ts';
import { walk } from './page.ts';

const README = new URL('../../README.md', import.meta.url);
const PAGE = new URL('../../docs/walkthrough.md', import.meta.url);
const say = (line: string) => process.stdout.write(`${line}\n`);

writeFileSync(README, await withDemo(readFileSync(README, 'utf8')));
say('README.md has the screen of a demo.');
writeFileSync(PAGE, await walk(say));
say('docs/walkthrough.md is written.');
