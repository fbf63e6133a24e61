/** A sandbox network of its own for each test, with a few people in it, and the ledger source that reads it. */
import { Keypair } from '@stellar/stellar-sdk';
import type { LedgerSource } from '../../src/domain/ledger-source.ts';
import { createHorizonSource } from '../../src/horizon/source.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';

/** A network in which a shop and a customer have lumens and trust an issuer's USDC, of which the customer has 1000. */
export type Town = {
  source: LedgerSource;
  ledger: SandboxLedger;
  shop: SandboxWallet;
  customer: SandboxWallet;
  issuer: SandboxWallet;
  usdc: string;
};

/** When each ledger closes: the n-th call of the clock is n * 3 s later, faster than the public network. */
const START = Date.UTC(2026, 2, 1, 12);

/** The body of a test that gets a town, which ends with it. */
export function inTown(body: (town: Town) => Promise<void>): () => Promise<void> {
  return async () => {
    let calls = 0;
    const clock = () => new Date(START + 3000 * calls++);
    const ledger = await startSandboxLedger({ closeEveryMs: null, firstLedger: 100, clock });
    const source = createHorizonSource({ url: ledger.url, requestsPerHour: 0 });
    try {
      const wallets = [0, 1, 2].map(() => new SandboxWallet(ledger));
      for (const { address } of wallets) await ledger.fund(address, '1000');
      const [shop, customer, issuer] = wallets as [SandboxWallet, SandboxWallet, SandboxWallet];
      const usdc = `USDC:${issuer.address}`;
      await shop.trust(usdc);
      await customer.trust(usdc);
      await issuer.pay(customer.address, '1000', usdc);
      await body({ source, ledger, shop, customer, issuer, usdc });
    } finally {
      await source.close();
      await ledger.stop();
    }
  };
}

/** The newest ledger. */
export const headOf = ({ ledger }: Town) => ledger.chain.history.latest().sequence;
/** An account that does not exist. */
export const noOne = Keypair.random().publicKey();
