/** A Stellar network with Horizon's REST API in this process: no node, no database, no internet. */
import type { AddressInfo } from 'node:net';
import type { Controls } from './admin.ts';
import { Chain } from './chain.ts';
import { createControls } from './controls.ts';
import { createLedgerServer } from './server.ts';

/** The sandbox's own network, so that nothing signed for it is valid elsewhere. */
export const SANDBOX_PASSPHRASE = 'Stellar settlement sandbox ; 2026';

/** How a sandbox ledger is started; everything has a default. */
export type SandboxLedgerOptions = {
  /** 0 (the default) takes a free one. */
  readonly port?: number;
  readonly networkPassphrase?: string;
  /** Milliseconds between ledgers; null closes only by hand. 1000, because close times grow by whole seconds unless `sharedSeconds`. */
  readonly closeEveryMs?: number | null;
  readonly clock?: () => Date;
  readonly firstLedger?: number;
  /** Ledgers may share a second, as since Protocol 30: then `closeEveryMs` may be below 1000. */
  readonly sharedSeconds?: boolean;
  /** How long an idle connection stays open, in milliseconds; a minute unless given. */
  readonly keepAliveMs?: number;
  /** How long POST /transactions waits for its ledger before it answers 504; Horizon's 30 s unless given. */
  readonly submitTimeoutMs?: number;
};

/** A running sandbox ledger. */
export type SandboxLedger = Controls & {
  readonly url: string;
  readonly networkPassphrase: string;
  /** The account that owns all lumens. */
  readonly rootSecret: string;
  /** The network itself, for looking inside. */
  readonly chain: Chain;
  stop(): Promise<void>;
};

/** Starts a network and its Horizon on this machine's loopback address. Rejects when the port is taken. */
export async function startSandboxLedger(
  options: SandboxLedgerOptions = {},
): Promise<SandboxLedger> {
  const networkPassphrase = options.networkPassphrase ?? SANDBOX_PASSPHRASE;
  const closeEveryMs = options.closeEveryMs === undefined ? 1000 : options.closeEveryMs;
  const clock = options.clock ?? (() => new Date());
  const chain = new Chain({
    passphrase: networkPassphrase,
    clock,
    firstLedger: options.firstLedger ?? 1,
    sharedSeconds: options.sharedSeconds ?? false,
  });
  const controls = createControls(chain, closeEveryMs === null);
  const server = createLedgerServer({
    chain,
    faults: controls.faults,
    controls,
    submitTimeoutMs: options.submitTimeoutMs ?? 30_000,
    keepAliveMs: options.keepAliveMs ?? 60_000,
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const timer = closeEveryMs === null ? null : setInterval(() => chain.closeLedger(), closeEveryMs);
  const { port } = server.address() as AddressInfo;
  return {
    ...controls,
    url: `http://127.0.0.1:${port}`,
    networkPassphrase,
    rootSecret: chain.rootKeypair.secret(),
    chain,
    stop: async () => {
      if (timer) clearInterval(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
