/** Temporal's test server, which skips time, from wherever this machine can get it. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir, once } from './cache.ts';
import { run, type Progress } from './child.ts';
import { sdkDownload } from './sdk-download.ts';

/** The version in scripts/pom.xml, which Maven reads; the folder in the cache is named after it. */
const VERSION = '1.38.0';
const POM = fileURLToPath(new URL('../../scripts/pom.xml', import.meta.url));

const JAVA =
  'java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer';
const NATIVE = '"$(dirname "$0")/server"';

/**
 * The path of an executable for `TestWorkflowEnvironment.createTimeSkipping({ server: { executable } })`. Tries in
 * turn: Maven (six seconds, once), the download of Temporal's SDK. Either lies behind a script that ends the server
 * when the process that started it is killed.
 * @throws Error that lists what was tried, and what to do.
 */
export async function timeSkippingServer(
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const sources: [source: string, find: () => Promise<string>][] = [
    ['Java and Maven', () => withMaven(progress, env)],
    ['the download of the Temporal SDK', () => withDownload(progress, env)],
  ];
  const failures: string[] = [];
  for (const [source, find] of sources) {
    try {
      return await find();
    } catch (error) {
      failures.push(`  ${source}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `Temporal's time-skipping test server is not to be had here. Tried:\n${failures.join('\n')}\n` +
      'Install Java 17 and Maven, or run once with access to the internet.',
  );
}

async function withMaven(progress: Progress, env: NodeJS.ProcessEnv): Promise<string> {
  await run('java', ['-version'], { env, timeoutMs: 30_000 });
  return keep(`temporal-test-server-${VERSION}`, JAVA, progress, env, async (dir) => {
    progress(`Temporal test server: fetching it with Maven (${VERSION}, 38 MB), only once …`);
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${join(dir, 'lib')}`];
    await run('mvn', ['-q', '-B', '-f', POM, ...goal], {
      env,
      timeoutMs: 10 * 60_000,
      onWaiting: (seconds) => progress(`Temporal test server: Maven is at work for ${seconds} s`),
    });
    if (!existsSync(join(dir, 'lib'))) throw new Error('Maven copied nothing');
  });
}

async function withDownload(progress: Progress, env: NodeJS.ProcessEnv): Promise<string> {
  return keep('temporal-test-server-sdk', NATIVE, progress, env, async (dir) => {
    progress('Temporal test server: asking for the download of the Temporal SDK …');
    const to = join(dir, 'server');
    await sdkDownload('time-skipping', { version: 'default', to, env, progress });
  });
}

/** Keeps a server in the cache, with the script that starts it. */
async function keep(
  name: string,
  command: string,
  progress: Progress,
  env: NodeJS.ProcessEnv,
  fetch: (dir: string) => Promise<void>,
): Promise<string> {
  const fill = async (dir: string): Promise<void> => {
    await fetch(dir);
    writeFileSync(join(dir, 'start'), startScript(command), { mode: 0o755 });
  };
  return join(await once(name, fill, { progress, dir: cacheDir(env) }), 'start');
}

/** `exec` keeps the process number that the SDK stops; the loop beside it ends the server when its starter is gone. */
function startScript(command: string): string {
  return `#!/bin/sh
(while kill -0 "$PPID" && kill -0 "$$"; do sleep 1; done; kill "$$") </dev/null >/dev/null 2>&1 &
exec ${command} "$@"
`;
}
