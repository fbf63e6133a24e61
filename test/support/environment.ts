/**
 * Node's test environment, in which nothing that a test file left behind fails unseen. Jest hears an uncaught error while
 * the tests of a file run. Before and after, its worker process ends, jest runs the file again in another one, and the run
 * is green. Here such an error fails the file that left it; when that one has been reported already, the next, and it says
 * so. What comes when a process has no file left is only printed.
 */
import { relative } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestEnvironment as NodeEnvironment } from 'jest-environment-node';

/** After a file's last test: what it was about to do comes to pass. */
const GRACE_MS = 20;

/** For the worker process: this module is loaded once, outside of the files' own contexts. */
const left: string[] = [];
const files: string[] = [];

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  // Jest's own would end the process. While the tests of a file run, jest takes these away and hears errors itself.
  process.removeAllListeners(event);
  process.on(event, (error: unknown) => {
    const [before, now] = files.length === 1 ? [undefined, files[0]] : files.slice(-2);
    const where = before === undefined ? now : `${now}, or of ${before} before it,`;
    const text = `The background work of ${where} failed while no test ran: ${textOf(error)}`;
    process.stderr.write(`${text}\n`);
    left.push(text);
  });
}

/** The stack of an error, which may be of another context: none of its classes is ours. */
function textOf(error: unknown): string {
  const { stack } = Object(error) as { stack?: unknown };
  return typeof stack === 'string' ? stack : String(error);
}

export default class WatchfulEnvironment extends NodeEnvironment {
  readonly #file: string;

  constructor(...[config, context]: ConstructorParameters<typeof NodeEnvironment>) {
    super(config, context);
    this.#file = relative(config.globalConfig.rootDir, context.testPath);
  }

  /** @throws Error when a file before this one left an error behind */
  override async setup(): Promise<void> {
    throwLeft();
    files.push(this.#file);
    await super.setup();
  }

  /** @throws Error when this file left an error behind */
  override async teardown(): Promise<void> {
    await sleep(GRACE_MS);
    await super.teardown();
    throwLeft();
  }
}

function throwLeft(): void {
  const texts = left.splice(0);
  if (texts.length > 0) throw new Error(texts.join('\n'));
}
