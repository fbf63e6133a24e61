/**
 * `npm run docs:events`: writes docs/schemas and the generated parts of docs/events.md. The examples on the page are
 * kept; with `--record` they are taken anew, from sessions that are really paid on a sandbox of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { examplesIn, withGeneratedParts } from './page.ts';
import { recordExamples } from './record.ts';
import { schemaFiles } from './schemas.ts';

const DOCS = new URL('../../docs/', import.meta.url);
const say = (line: string) => process.stdout.write(`${line}\n`);

for (const [name, schema] of Object.entries(await schemaFiles())) {
  writeFileSync(new URL(`schemas/${name}`, DOCS), schema);
}
const page = new URL('events.md', DOCS);
const text = readFileSync(page, 'utf8');
const examples = process.argv.includes('--record') ? await recordExamples(say) : examplesIn(text);
writeFileSync(page, await withGeneratedParts(text, examples));
say('docs/schemas and docs/events.md are written.');
