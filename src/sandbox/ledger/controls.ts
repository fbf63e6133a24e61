/** What a test, the demo or the admin API does to the network beside what Horizon offers. */
import { Account, Asset, Operation, StrKey, TransactionBuilder } from '@stellar/stellar-sdk';
import { formatAmount, parseAmount } from '../../domain/money.ts';
import type { Controls } from './admin.ts';
import type { Chain } from './chain.ts';
import { checkContractCall, contractCallHash } from './contract-record.ts';
import { Faults } from './faults.ts';
import { Nodes } from './nodes.ts';
import { invalidField, transactionFailed } from './problem.ts';
import { transactionJson } from './render.ts';

/** The controls of a network. With `manual` closing, whatever needs a ledger closes one itself. */
export function createControls(chain: Chain, manual: boolean): Controls {
  let nonce = 0n;
  const settled = async <T>(done: Promise<T>): Promise<T> => {
    if (manual) chain.closeLedger();
    return await done;
  };
  return {
    faults: new Faults(() => chain.history.latest().sequence),
    nodes: new Nodes(),
    closeLedger: (options) => chain.closeLedger(options),
    fund: async (account, xlm) => {
      if (!StrKey.isValidEd25519PublicKey(account)) {
        throw new RangeError(`Not an account (G…): ${account}.`);
      }
      const amount = formatAmount(parseAmount(xlm));
      const ending = await settled(chain.submit(fundingEnvelope(chain, account, amount)).done);
      if (ending.kind === 'included' && ending.record.successful)
        return ending.record.ledger.sequence;
      throw new Error(`The root account could not give ${xlm} XLM to ${account}.`);
    },
    friendbot: async (address, base) => {
      if (!StrKey.isValidEd25519PublicKey(address)) throw invalidField('addr', 'invalid address');
      const envelope = fundingEnvelope(chain, address, '10000.0000000', 'createAccount');
      const ending = await settled(chain.submit(envelope).done);
      if (ending.kind === 'refused') throw invalidField('addr', 'refused by the network');
      const { record } = ending;
      if (record.successful) return transactionJson(record, record.hash, base);
      throw transactionFailed(envelope, record.resultXdr, record.resultCodes);
    },
    setRate: (sell, buy, rate) => chain.rates.set(sell, buy, rate),
    resetNetwork: (firstLedger) => chain.reset(firstLedger ?? 1),
    reapBelow: (ledger) => {
      const { history } = chain;
      history.elder = Math.max(history.elder, Math.min(ledger, history.latest().sequence));
    },
    hideTransaction: (hash) => {
      const record = chain.history.transaction(hash);
      if (!record) throw new RangeError(`No transaction ${hash} to hide.`);
      record.hidden = true;
    },
    fillGap: () => {
      for (const { transactions } of chain.history.ledgers) {
        for (const record of transactions) record.hidden = false;
      }
    },
    injectRecord: async (account, record) => {
      chain.inject(account, record);
      return await settled(chain.nextLedger());
    },
    addContractCall: async (source, changes) => {
      checkContractCall(source, changes);
      const call = { source, changes, nonce: nonce++ };
      chain.addContractCall(call);
      const hash = contractCallHash(call, chain.passphrase);
      return { hash, ledger: await settled(chain.nextLedger()) };
    },
  };
}

/** A transaction by the root account, really signed: it creates the account, or pays one that exists. */
function fundingEnvelope(
  chain: Chain,
  account: string,
  amount: string,
  how: 'createAccount' | 'either' = 'either',
): string {
  const root = chain.rootKeypair;
  const sequence = chain.lastSequence(root.publicKey()) ?? 0n;
  const pays = how === 'either' && chain.accounts.account(account);
  const transaction = new TransactionBuilder(new Account(root.publicKey(), String(sequence)), {
    fee: '100',
    networkPassphrase: chain.passphrase,
  })
    .addOperation(
      pays
        ? Operation.payment({ destination: account, asset: Asset.native(), amount })
        : Operation.createAccount({ destination: account, startingBalance: amount }),
    )
    .setTimeout(0)
    .build();
  transaction.sign(root);
  return transaction.toXdr();
}
