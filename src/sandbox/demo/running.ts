/** How a sandbox that stays tells commands in other terminals where it is: a file, named by SETTLE_SANDBOX. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../../config.ts';
import type { Cast } from './cast.ts';
import type { Stage } from './stage.ts';

const schema = z.object({
  horizonUrl: z.string(),
  networkPassphrase: z.string(),
  databaseUrl: z.string(),
  temporalAddress: z.string(),
  listenPort: z.int(),
  isSandboxLedger: z.boolean(),
  merchantId: z.string(),
  /** The receiving account. */
  shop: z.string(),
  usdc: z.string(),
  fakeUsdc: z.string(),
  /** Secret keys of those who issue the two; worth nothing outside of this ledger. */
  issuers: z.array(z.string()),
});

/** Where a running sandbox is, and what it takes to play on it. */
export type RunningSandbox = z.infer<typeof schema>;

/** What commands need to know of a sandbox. */
function describeSandbox(stage: Stage, cast: Cast): RunningSandbox {
  const { horizonUrl, networkPassphrase, databaseUrl, temporalAddress, listenPort } = stage;
  return {
    horizonUrl,
    networkPassphrase,
    databaseUrl,
    temporalAddress,
    listenPort,
    isSandboxLedger: stage.sandbox !== null,
    merchantId: cast.merchantId,
    shop: cast.shop.address,
    usdc: cast.usdc,
    fakeUsdc: cast.fakeUsdc,
    issuers: cast.issuers.map(({ keypair }) => keypair.secret()),
  };
}

/** Writes the file, beside the worker's log. `remove` it when the sandbox ends. */
export function announceSandbox(
  stage: Stage,
  cast: Cast,
): { path: string; sandbox: RunningSandbox; remove: () => void } {
  const path = join(dirname(stage.logFile), 'sandbox.json');
  const sandbox = describeSandbox(stage, cast);
  writeFileSync(path, JSON.stringify(sandbox, null, 2), { mode: 0o600 });
  return { path, sandbox, remove: () => rmSync(path, { force: true }) };
}

/** The sandbox that SETTLE_SANDBOX names. @throws ConfigError when it names none that runs */
export function findSandbox(env: NodeJS.ProcessEnv): RunningSandbox {
  const path = env['SETTLE_SANDBOX'];
  const start = 'Start one with `npm run demo -- --stay`, and set SETTLE_SANDBOX as it says.';
  if (!path) throw new ConfigError([`SETTLE_SANDBOX is missing. ${start}`]);
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const what = gone ? 'is not there: that sandbox has ended' : 'was not written by a sandbox';
    throw new ConfigError([`SETTLE_SANDBOX: ${path} ${what}. ${start}`]);
  }
}
