/** The stack of the certificate with a quiet merchant, an attacker with money, and name servers of our own. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Keypair, Operation } from '@stellar/stellar-sdk';
import { Client } from 'pg';
import { addShop, submit, type Shop } from '../certify/parts/cast.ts';
import { makeFolder, removeFolder } from '../certify/parts/folder.ts';
import { startStack, type Stack } from '../certify/parts/stack.ts';
import { SandboxWallet } from '../src/sandbox/ledger/wallet.ts';
import { startHostileReceiver, type HostileReceiver } from './hostile-receiver.ts';
import { startNameServer, type NameServer } from './names.ts';
import { startQuietReceiver, type QuietReceiver } from './receiver.ts';

/** Everything of a run. */
export type Stage = {
  readonly stack: Stack;
  /** The quiet merchant, whose times are measured. `same-account` sends dust to its account. */
  readonly quiet: Shop;
  /** Another one that did nothing, whose account and sessions are attacked: late perhaps, but it must hear of everything. */
  readonly attacked: Shop;
  /** A merchant that is attacked by payers of its own, or attacks. */
  readonly hostile: Shop;
  readonly receiver: QuietReceiver;
  readonly bad: HostileReceiver;
  /** Pays for attacks. */
  readonly mallory: SandboxWallet;
  /** Null where this machine does not let us have one: names are then resolved as the machine does it. */
  readonly names: NameServer | null;
  stop(): Promise<void>;
};

/**
 * As in production, some times faster, with a request budget that is not far above what reading needs. Turns do not keep
 * step with ledgers (1 s), so that each phase meets every distance between the two.
 */
const SETTINGS = {
  POLL_INTERVAL_MS: '700',
  HORIZON_REQUESTS_PER_HOUR: '72000',
  RECONCILE_INTERVAL_MS: '15000',
  /** A worker of 1 GB: one that keeps what a stranger sends dies of it here, not weeks later. */
  NODE_OPTIONS: '--max-old-space-size=1024',
};
/** Shorter than a turn, as it is in production (5 s there): each turn connects anew, and asks for Horizon's address. */
const KEEP_ALIVE_MS = 300;
const NAME_SERVER = '127.66.0.53';
const HORIZON_NAME = 'horizon.attack.test';
/** `addShop` gives an even index one endpoint, an odd one a second that wants every exception. */
const [QUIET, HOSTILE, ATTACKED] = [100, 101, 102];

/** Starts everything. `bundle` is the workflows' code. */
export async function startStage(bundle: string): Promise<Stage> {
  const folder = makeFolder('attack');
  const names = process.getuid?.() === 0 ? await ownNames() : null;
  const [receiver, bad] = await Promise.all([startQuietReceiver(), startHostileReceiver()]);
  const stack = await startStack(bundle, {
    ledger: { keepAliveMs: KEEP_ALIVE_MS },
    env: (usual) => ({
      ...usual,
      ...SETTINGS,
      // By its name: an address would never wait for a name server.
      HORIZON_URL: usual['HORIZON_URL']?.replace('127.0.0.1', names ? HORIZON_NAME : 'localhost'),
      WEBHOOK_ALLOW: [usual['WEBHOOK_ALLOW'], receiver.host, ...bad.hosts].join(),
    }),
    ...(names === null ? {} : { execPath: withNames(folder, names.address) }),
  });
  await keepCommitTimes(stack);
  const [first, second, third] = stack.shops;
  if (!first || !second || !third) throw new Error('The stack has no shops.');
  const rows = (statement: string, values?: unknown[]) => stack.rows(statement, values);
  return {
    stack,
    quiet: await addShop(first.wallet, QUIET, receiver, rows),
    attacked: await addShop(third.wallet, ATTACKED, receiver, rows),
    hostile: await addShop(second.wallet, HOSTILE, stack.merchant, rows),
    receiver,
    bad,
    mallory: await rich(stack),
    names,
    stop: async () => {
      await stack.stop();
      await Promise.all([receiver.stop(), bad.stop()]);
      names?.stop();
      removeFolder(folder);
    },
  };
}

/** Null where its port is taken. */
async function ownNames(): Promise<NameServer | null> {
  return startNameServer(NAME_SERVER, 53).catch(() => null);
}

/** A program that becomes Node in a mount namespace of its own, in which our name server is the only one. */
function withNames(folder: string, address: string): string {
  const [resolv, hosts, node] = ['resolv.conf', 'hosts', 'node'].map((name) => join(folder, name));
  if (!resolv || !hosts || !node) throw new Error('Three names make three paths.');
  writeFileSync(resolv, `nameserver ${address}\n`);
  writeFileSync(hosts, `127.0.0.1 localhost ${HORIZON_NAME}\n`);
  const inside = `mount --bind '${resolv}' /etc/resolv.conf && mount --bind '${hosts}' /etc/hosts && exec "$@"`;
  writeFileSync(
    node,
    `#!/bin/sh\nexec unshare -m sh -c '${inside.replaceAll("'", `'"'"'`)}' sh '${process.execPath}' "$@"\n`,
  );
  chmodSync(node, 0o755);
  return node;
}

/** PostgreSQL keeps the time of each commit from now on. It must start anew for that; workers connect again. */
async function keepCommitTimes(stack: Stack): Promise<void> {
  const url = new URL(stack.databaseUrl);
  [url.username, url.pathname] = ['postgres', '/postgres'];
  const superuser = new Client({ connectionString: url.toString() });
  await superuser.connect();
  await superuser.query('ALTER SYSTEM SET track_commit_timestamp = on');
  await superuser.end();
  await stack.stopPostgres();
  await stack.restartPostgres();
}

/** An account of the attacker's. */
async function rich(stack: Stack): Promise<SandboxWallet> {
  const wallet = new SandboxWallet(stack.ledger, Keypair.random());
  const gift = Operation.createAccount({ destination: wallet.address, startingBalance: '1000000' });
  await submit(stack.ledger, stack.customer, [gift]);
  await stack.ledger.chain.nextLedger();
  return wallet;
}
