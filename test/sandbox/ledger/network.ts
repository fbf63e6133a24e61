/** A network of its own for each test, closed by hand, and its Horizon asked over HTTP. */
import { startSandboxLedger } from '../../../src/sandbox/ledger/start.ts';
import type { SandboxLedger, SandboxLedgerOptions } from '../../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../../src/sandbox/ledger/wallet.ts';

/** A JSON object of Horizon's. */
export type Json = Record<string, unknown>;

/** An answer of Horizon's. */
export type Got = { readonly status: number; readonly headers: Headers; readonly body: Json };

/** What a test works with. */
export type Network = {
  readonly ledger: SandboxLedger;
  /** An account with 100 lumens (or as many as said), and its key. */
  readonly wallet: (xlm?: string) => Promise<SandboxWallet>;
  readonly get: (path: string) => Promise<Got>;
  /** Steers the sandbox as another process would. */
  readonly command: (name: string, input?: Json) => Promise<Got>;
  /** The records of a page. */
  readonly records: (path: string) => Promise<Json[]>;
  /** The payments of an account, oldest first, with their transactions. */
  readonly payments: (account: string) => Promise<Json[]>;
  /** An issuer, and a payer with 1000 of its USDC and a merchant who trusts it. */
  readonly usdc: () => Promise<{
    asset: string;
    issuer: SandboxWallet;
    payer: SandboxWallet;
    merchant: SandboxWallet;
  }>;
};

/** The body of a test that gets a network, which ends with it. */
export function onNetwork(
  body: (network: Network) => Promise<void>,
  options: SandboxLedgerOptions = {},
): () => Promise<void> {
  return async () => {
    const ledger = await startSandboxLedger({ closeEveryMs: null, ...options });
    try {
      await body(networkOf(ledger));
    } finally {
      await ledger.stop();
    }
  };
}

/** Reads an answer of Horizon's. */
export async function read(response: Response): Promise<Got> {
  const { status, headers } = response;
  return { status, headers, body: (await response.json()) as Json };
}

function networkOf(ledger: SandboxLedger): Network {
  const get = async (path: string) => await read(await fetch(ledger.url + path));
  const records = async (path: string) => recordsOf((await get(path)).body);
  const wallet = async (xlm = '100') => {
    const made = new SandboxWallet(ledger);
    await ledger.fund(made.address, xlm);
    return made;
  };
  return {
    ledger,
    wallet,
    get,
    records,
    command: async (name, input) => {
      const body = input === undefined ? '' : JSON.stringify(input);
      return await read(await fetch(`${ledger.url}/sandbox/${name}`, { method: 'POST', body }));
    },
    payments: async (account) =>
      await records(`/accounts/${account}/payments?limit=200&join=transactions`),
    usdc: async () => {
      const [issuer, payer, merchant] = [await wallet(), await wallet(), await wallet()];
      const asset = `USDC:${issuer.address}`;
      await payer.trust(asset);
      await merchant.trust(asset);
      await issuer.pay(payer.address, '1000', asset);
      return { asset, issuer, payer, merchant };
    },
  };
}

/** The records of a page that has been read. */
export function recordsOf(page: Json): Json[] {
  return (page['_embedded'] as { records: Json[] }).records;
}

/** Where a page's link (`next`, `prev`, `self`) leads, without the host. */
export function linkOf(page: Json, name: string): string {
  const links = page['_links'] as Record<string, { href: string }>;
  const { pathname, search } = new URL(links[name]?.href ?? '');
  return pathname + search;
}
