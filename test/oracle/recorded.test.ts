/** What the real Horizon answered, read with our decoder. contract.test.ts records it, and notices when it is stale. */
import { describe, expect, test } from '@jest/globals';
import { Keypair } from '@stellar/stellar-sdk';
import { decodeAll } from '../../src/horizon/decode.ts';
import { accountSchema, ledgerSchema, rootSchema } from '../../src/horizon/records.ts';
import { SANDBOX_PASSPHRASE } from '../../src/sandbox/ledger/start.ts';
import { addressOf, digest, muxed, SPLITTER } from './cast.ts';
import { recorded, recordedNames, recordsIn } from './recorded.ts';

const [SHOP, CUSTOMER, ISSUER] = [addressOf('shop'), addressOf('customer'), addressOf('issuer')];
const ROOT = Keypair.fromRawEd25519Seed(digest(SANDBOX_PASSPHRASE)).publicKey();
const EVERYBODY = new Set([SHOP, CUSTOMER, ISSUER, addressOf('newcomer'), addressOf('other')]);

const body = (name: string): unknown => recorded(name)?.body;
const pagesOf = (path: RegExp) =>
  recordedNames().filter((name) => {
    const page = body(name) as { _embedded?: unknown };
    return page._embedded !== undefined && path.test(recorded(name)?.path ?? '');
  });
const pages = pagesOf(/\/payments(\?|$)/);
const runs = pagesOf(/^\/ledgers\?/);

describe('recorded answers of Horizon', () => {
  test('include pages of payments', () => {
    expect(pages.length).toBeGreaterThan(8);
  });

  test.each(pages)('%s: every record can be read', (name) => {
    const { undecoded } = decodeAll(recordsIn(name), EVERYBODY);
    expect(undecoded).toEqual([]);
  });

  test('include runs of ledgers', () => {
    expect(runs).toHaveLength(3);
  });

  test.each(runs)('%s: every ledger names the one before it', (name) => {
    const records = recordsIn(name).map((one) => ({ ...one, ...ledgerSchema.parse(one) }));
    const ascending = records.toSorted((a, b) => a.sequence - b.sequence);
    expect(ascending.length).toBeGreaterThan(0);
    for (const [i, one] of ascending.entries()) {
      const next = ascending[i + 1];
      if (!next) continue;
      expect(next).toMatchObject({ sequence: one.sequence + 1, prev_hash: one.hash });
    }
  });

  test('the operations of a ledger are all there, in order, of one time', () => {
    const operations = recordsIn('all operations of the ledger of: several operations');
    expect(operations.map((one) => one['type'])).toEqual([
      'payment',
      'manage_data',
      'payment',
      'payment',
      'payment',
    ]);
    const ids = operations.map((one) => BigInt(String(one['id'])));
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(operations.map((one) => one['created_at'])).size).toBe(1);
  });

  test('the payments to the shop are these', () => {
    const { payments } = decodeAll(recordsIn('all payments of the shop'), new Set([SHOP]), SHOP);
    const told = payments.map((one) => [
      `${one.ledger}.${one.opIndex}.${one.subIndex}`,
      one.type,
      one.amount,
      one.asset.code,
      one.sender,
      one.reference,
      one.referenceSource,
    ]);
    const hash = (text: string) => digest(text).toString('hex');
    const send = 'path_payment_strict_send';
    const receive = 'path_payment_strict_receive';
    const call = 'invoke_host_function';
    const [newcomer, max] = [addressOf('newcomer'), '18446744073709551615'];
    expect(told).toEqual([
      ['2.0.0', 'create_account', 10_000_000_000n, 'XLM', ROOT, null, null],
      ['10.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, null, null],
      ['11.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, max, 'memo_id'],
      ['12.0.0', 'payment', 10_000_001n, 'USDC', CUSTOMER, 'order 7 – für <dich> & m', 'memo_text'],
      ['13.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, null, null],
      ['14.0.0', 'payment', 10_000_001n, 'USDC', CUSTOMER, hash('hash'), 'memo_hash'],
      ['15.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, hash('return'), 'memo_return'],
      ['16.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, null, null],
      ['17.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, null, null],
      ['18.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, null, null],
      ['19.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, '0', 'memo_id'],
      ['20.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, '0042', 'memo_text'],
      ['21.0.0', 'payment', 10_000_001n, 'XLM', CUSTOMER, '\u{feff}4', 'memo_text'],
      ['22.0.0', 'payment', 20_000_000n, 'USDC', CUSTOMER, '9007199254740993', 'muxed'],
      ['23.0.0', 'payment', 20_000_000n, 'XLM', CUSTOMER, '0', 'muxed'],
      ['24.0.0', 'payment', 30_000_000n, 'XLM', muxed(CUSTOMER, '0'), '9', 'memo_id'],
      ['25.0.0', 'payment', 30_000_000n, 'XLM', muxed(CUSTOMER, max), '7', 'muxed'],
      ['26.0.0', send, 20_000_000n, 'USDC', CUSTOMER, '77', 'memo_id'],
      ['27.0.0', receive, 30_000_003n, 'USDC', CUSTOMER, '77', 'memo_id'],
      ['28.0.0', send, 40_000_000n, 'USDC', CUSTOMER, '12', 'muxed'],
      ['29.0.0', receive, 40_000_000n, 'USDC', CUSTOMER, null, null],
      ['30.0.0', receive, 100_000_000n, 'BRIDGECOIN', CUSTOMER, null, null],
      ['35.0.0', 'payment', 10_000_000n, 'XLM', newcomer, '42', 'memo_text'],
      ['36.0.0', 'account_merge', 189_999_800n, 'XLM', newcomer, '42', 'memo_id'],
      ['38.0.0', 'account_merge', 49_999_900n, 'XLM', newcomer, '43', 'muxed'],
      ['40.1.0', 'account_merge', 39_999_800n, 'XLM', newcomer, '44', 'muxed'],
      ['41.0.0', 'payment', 60_000_000n, 'USDC', CUSTOMER, '99', 'memo_id'],
      ['42.0.0', 'payment', 70_000_000n, 'USDC', CUSTOMER, '99', 'memo_id'],
      ['45.0.0', 'account_merge', 50_000_000n, 'XLM', newcomer, '45', 'memo_id'],
      ['46.0.0', 'payment', 10_000_000n, 'XLM', CUSTOMER, '1', 'memo_id'],
      ['46.2.0', 'payment', 20_000_000n, 'USDC', CUSTOMER, '1', 'muxed'],
      ['46.4.0', 'payment', 40_000_000n, 'USDC', CUSTOMER, '1', 'memo_id'],
      ['48.0.0', 'payment', 110_000_000n, 'XLM', CUSTOMER, null, null],
      ['48.0.0', 'payment', 120_000_000n, 'USDC', ISSUER, null, null],
      ['51.0.0', call, 25_000_000n, 'XLM', CUSTOMER, null, null],
      ['52.0.0', call, 10_000_000n, 'USDC', CUSTOMER, '0', 'muxed'],
      ['53.0.0', call, 30_000_000n, 'USDC', ISSUER, '8', 'muxed'],
      ['56.0.1', call, 10_000_000n, 'USDC', SPLITTER, max, 'muxed'],
      ['56.0.2', call, 10_000_000n, 'XLM', SPLITTER, null, null],
      ['56.0.8', call, 0n, 'XLM', SPLITTER, null, null],
      ['56.0.9', call, 25_000_000n, 'USDC', ISSUER, '0', 'muxed'],
      ['64.0.0', 'payment', 1n, 'XLM', CUSTOMER, null, null],
    ]);
  });

  test('a fee bump has one hash, whichever was asked for', () => {
    const read = (name: string) =>
      decodeAll(recordsIn(name), new Set([SHOP])).payments.map(({ txHash, innerTxHash }) => ({
        txHash,
        innerTxHash,
      }));
    const [outer, inner] = ['', 'inner of '].map((which) =>
      read(`payments of the transaction: ${which}fee bump`),
    );
    expect(outer).toEqual(inner);
    expect(outer).toHaveLength(1);
    expect(outer?.[0]?.innerTxHash).toMatch(/^[0-9a-f]{64}$/);
    expect(outer?.[0]?.innerTxHash).not.toBe(outer?.[0]?.txHash);
  });

  test.each(['failed', 'failed fee bump', 'inner of failed fee bump'])(
    'the payments of a %s transaction bring nothing in',
    (name) => {
      const records = recordsIn(`payments of the transaction: ${name}`);
      expect(records.length).toBeGreaterThan(0);
      expect(decodeAll(records, EVERYBODY)).toEqual({ payments: [], undecoded: [] });
    },
  );

  test('an account says as of which ledger, and so does its absence', () => {
    const account = accountSchema.parse(body('the account of the shop'));
    expect(account.account_id).toBe(SHOP);
    expect(account.data).toEqual({ 'config.memo_required': 'MQ==' });
    expect(recorded('the account of the shop')?.latestLedger).toBe('65');
    const absent = recorded('an account nobody has funded');
    expect([absent?.status, absent?.latestLedger]).toEqual([404, '65']);
  });

  test('the root and a ledger can be read', () => {
    const { history_latest_ledger, history_elder_ledger } = rootSchema.parse(body('the root'));
    expect([history_elder_ledger, history_latest_ledger]).toEqual([1, 65]);
    expect(ledgerSchema.parse(body('the last ledger')).sequence).toBe(65);
  });
});
