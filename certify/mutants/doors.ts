/** Deliberate breakages of what is taken in, believed and printed, and the test that turns red for each. */
import type { TestedMutant } from './settlement.ts';

const ANSWERS = 'src/doors/answers.ts';
const REQUEST = 'src/doors/open-request.ts';
const TEXT = 'src/doors/text.ts';
const METADATA = 'src/domain/metadata.ts';
const PRINTER = 'src/cli/output.ts';

const AT_ITS_BOUND = { file: 'test/doors/bounds.test.ts', name: 'is taken, and no more' };
const answer = { file: 'test/doors/answers.test.ts', name: 'an answer with another' };
const unreadable = (name: string) => ({ file: 'test/doors/unreadable.test.ts', name });
const terminal = (name: string) => ({ file: 'test/cli-hostile-text.test.ts', name });
const inTest = (file: string, name: string) => ({ file: `test/${file}.test.ts`, name });

/** Every one of them. */
export const DOORS_MUTANTS: readonly TestedMutant[] = [
  {
    name: 'an answer may name another account',
    edits: [
      {
        file: ANSWERS,
        from: "    ['receivingAccount', opened.receivingAccount, asked.receivingAccount],\n",
        to: '',
      },
    ],
    test: answer,
  },
  {
    name: 'an answer may have a URI that pays another account',
    edits: [
      {
        file: ANSWERS,
        from: "    ['paymentUri', withoutNetwork(opened.paymentUri), uri],\n",
        to: '',
      },
    ],
    test: answer,
  },
  {
    name: 'an answer may have the muxed account of another',
    edits: [
      {
        file: ANSWERS,
        from: "    ['muxedAccount', String(opened.muxedAccount), String(muxed)],\n",
        to: '',
      },
    ],
    test: answer,
  },
  {
    name: 'the answer to `open` is believed as it is',
    edits: [
      {
        file: 'src/client.ts',
        from: 'return requireOpened(sessionId, asked, await ask(sessionId, openUpdate, [request], sharing));',
        to: 'return (await ask(sessionId, openUpdate, [request], sharing)) as typeof asked & OpenedSession;',
      },
    ],
    test: inTest('system/squatter', 'is not believed, and does not keep the id'),
  },
  {
    name: 'a run of any type answers for a session',
    edits: [
      {
        file: 'src/client.ts',
        from: "requireFits(sessionIdOf(workflowId) ?? '', [['its workflow type', type, SESSION_WORKFLOW]]);",
        to: 'void type, requireFits, sessionIdOf;',
      },
    ],
    test: inTest('system/squatter', 'is not believed, and does not keep the id'),
  },
  {
    name: 'what the SDK says of a run without a handler is another sentence',
    edits: [
      {
        file: 'src/client-errors.ts',
        from: '/^No registered handler for update/',
        to: '/^No handler is registered for update/',
      },
    ],
    test: inTest('system/squatter', 'is known by what the SDK says of it'),
  },
  {
    name: 'metadata is nested as deep as it likes',
    edits: [{ file: METADATA, from: 'if (depth > METADATA_DEPTH) return TOO_DEEP;', to: '' }],
    test: AT_ITS_BOUND,
  },
  {
    name: 'metadata has as many values as it likes',
    edits: [
      { file: METADATA, from: 'if (count.values > METADATA_VALUES) return TOO_MANY;', to: '' },
    ],
    test: AT_ITS_BOUND,
  },
  {
    name: 'metadata has as many bytes as it likes',
    edits: [
      {
        file: METADATA,
        from: 'return count.bytes > METADATA_BYTES ? TOO_LARGE : null;',
        to: 'return count.bytes > 2 * METADATA_BYTES ? TOO_LARGE : null;',
      },
    ],
    test: AT_ITS_BOUND,
  },
  {
    name: 'metadata holds what PostgreSQL refuses',
    edits: [{ file: METADATA, from: 'if (!isStorable(text)) return NOT_TEXT;', to: '' }],
    test: AT_ITS_BOUND,
  },
  {
    name: 'a URL is measured in characters, not in bytes',
    edits: [{ file: TEXT, from: ' || utf8Length(text) > URL_BYTES', to: '' }],
    test: AT_ITS_BOUND,
  },
  {
    name: 'a URL has control characters',
    edits: [{ file: TEXT, from: ' || NOT_IN_URL.test(text))', to: ')' }],
    test: AT_ITS_BOUND,
  },
  {
    name: 'a text has half of a character',
    edits: [{ file: TEXT, from: 'isStorable(text) && check(text)', to: 'check(text)' }],
    test: AT_ITS_BOUND,
  },
  {
    name: 'a deadline is in any year',
    edits: [
      {
        file: TEXT,
        from: 'return at >= FIRST_INSTANT && at <= LAST_INSTANT;',
        to: 'return !Number.isNaN(at) && FIRST_INSTANT < LAST_INSTANT;',
      },
    ],
    test: AT_ITS_BOUND,
  },
  {
    name: 'a refusal quotes all of a wrong amount',
    edits: [
      {
        file: REQUEST,
        from: 'text.length > AMOUNT_UNITS',
        to: 'text.length > 1_000 * AMOUNT_UNITS',
      },
    ],
    test: inTest('doors/bounds', 'is refused in a short sentence, however long it is'),
  },
  {
    name: 'fields that nobody knows are passed over',
    edits: [
      {
        file: REQUEST,
        from: 'const schema = z.strictObject({',
        to: 'const schema = z.object({',
      },
    ],
    test: inTest('doors/bounds', 'with a field that nobody knows is refused by it'),
  },
  {
    name: 'a wake reports whatever text it has',
    edits: [
      {
        file: 'src/doors/messages.ts',
        from: "return typeof hash === 'string' && isTxHash(hash) ? hash : null;",
        to: "return typeof hash === 'string' ? hash : null;",
      },
    ],
    test: inTest('doors/bounds', 'a wake has a hash of its own, or none'),
  },
  {
    name: 'what a message inherits is a part of it',
    edits: [
      {
        file: 'src/doors/messages.ts',
        from: '!Object.hasOwn(message, name)',
        to: '!(name in message)',
      },
    ],
    test: inTest('doors/bounds', 'a wake has a hash of its own, or none'),
  },
  {
    name: 'an update is accepted before it is checked',
    edits: [
      {
        file: 'src/workflows/handlers.ts',
        from: '    validator: (request) => void refusing(() => readOpenRequest(request)),\n',
        to: '',
      },
    ],
    test: inTest('system/unreadable', 'updates of every other shape are refused'),
  },
  {
    name: 'a run takes any argument for its session',
    edits: [
      {
        file: 'src/workflows/checkout-session.ts',
        from: 'isUuid(named) && sessionId === named',
        to: 'isUuid(named) && (sessionId === named || true)',
      },
    ],
    test: inTest('system/unreadable', 'ends at once, and the session opens, is paid and told'),
  },
  {
    name: 'a payload that a worker cannot decode is an exception',
    edits: [
      {
        file: 'src/temporal-settings.ts',
        from: 'payloadCodecs: [lenient(codec)]',
        to: 'payloadCodecs: [lenient, codec].slice(1) as (typeof codec)[]',
      },
    ],
    test: unreadable('reads what it can of several payloads'),
  },
  {
    name: 'a payload that cannot be converted is an exception',
    edits: [
      {
        file: 'src/payload-converter.ts',
        from: 'return new Unreadable(reasonOf(error));',
        to: 'throw reasonOf(error);',
      },
    ],
    test: unreadable('is a value that cannot be read'),
  },
  {
    name: 'an input that cannot be read is taken for one',
    edits: [
      {
        file: 'src/activities/plain-errors.ts',
        from: 'args: input.args.map(readable)',
        to: 'args: input.args.map((arg) => arg || readable(arg))',
      },
    ],
    test: unreadable('an activity is not begun with an input that cannot be read'),
  },
  {
    name: 'format characters are shown as they are',
    edits: [
      {
        file: 'src/domain/shown.ts',
        from: '/[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]/gu',
        to: '/[\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]/gu',
      },
    ],
    test: inTest('domain/shown', 'never leaves anything hidden'),
  },
  {
    name: 'a result in words is made of what strangers wrote',
    edits: [
      {
        file: PRINTER,
        from: 'if (isJson(command)) printJson(result);\n  else printLines(inWords(shownDeep(result)));',
        to: 'if (isJson(command)) printJson(result);\n  else printLines(inWords(result));',
      },
    ],
    test: terminal('and a held payment takes three lines, whatever its memo says'),
  },
  {
    name: 'lines are printed as they are',
    edits: [
      {
        file: PRINTER,
        from: 'process.stdout.write(`${shownLines(lines)}\\n`);',
        to: 'process.stdout.write(`${lines}\\n`);',
      },
    ],
    test: terminal('from any text column of any table'),
  },
  {
    name: 'errors are printed as they are',
    edits: [
      {
        file: PRINTER,
        from: 'process.stderr.write(`${shownLines(message)}\\n`);',
        to: 'process.stderr.write(`${message}\\n`);',
      },
    ],
    test: terminal('from what was typed, or from an error that quotes it'),
  },
  {
    name: 'a URL is shown with its path',
    edits: [
      {
        file: 'src/domain/shown-url.ts',
        from: "i >= SEGMENTS || !(part === '' || PLAIN.test(part))",
        to: 'i > 9 * SEGMENTS',
      },
    ],
    test: inTest('domain/shown', 'is shown as'),
  },
  {
    name: 'a receiver’s page may repeat its URL',
    edits: [
      {
        file: 'src/domain/shown-url.ts',
        from: "return secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);",
        to: 'return secrets.length < 0 ? "" : text;',
      },
    ],
    test: inTest('domain/shown', 'is not repeated by the page that a receiver answers with'),
  },
  {
    name: 'text is cut within a character',
    edits: [
      {
        file: 'src/domain/text.ts',
        from: 'endsInHalf ? maxUnits - 1 : maxUnits',
        to: 'endsInHalf ? maxUnits : maxUnits',
      },
    ],
    test: inTest('domain/text', 'is well-formed, without NUL, no longer than allowed'),
  },
  {
    name: 'questions about a session are asked all at once',
    edits: [
      {
        file: 'src/turns.ts',
        from: 'while (line.asking.size < atOnce)',
        to: 'while (line.asking.size < 100 * atOnce)',
      },
    ],
    test: inTest('turns', 'are asked a few at a time, in their order'),
  },
];
