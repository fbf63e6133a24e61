/**
 * A customer's wallet for the sandbox: `npm run sandbox:pay -- 'web+stellar:pay?…'` pays what a session's `paymentUri` asks for,
 * in lumens, from a new account, and prints the hash of the transaction. HORIZON_URL, or the sandbox's settings,
 * name the ledger.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Memo } from '@stellar/stellar-sdk';
import { SandboxWallet } from '../src/sandbox/ledger/wallet.ts';

const settings = fileURLToPath(new URL('.sandbox.env', import.meta.url));
if (existsSync(settings)) process.loadEnvFile(settings);
const url = process.env['HORIZON_URL'];
const uri = process.argv[2] ?? '';
if (url === undefined || !uri.startsWith('web+stellar:pay?')) {
  process.stderr.write(
    "Usage: npm run sandbox:pay -- 'web+stellar:pay?…', while `npm run sandbox` runs.\n",
  );
  process.exit(2);
}

const asked = new URLSearchParams(uri.slice(uri.indexOf('?') + 1));
const get = (key: string) => asked.get(key) ?? '';
const root = (await (await fetch(url)).json()) as { network_passphrase: string };
const customer = new SandboxWallet({ url, networkPassphrase: root.network_passphrase });
const funded = await fetch(`${url}/friendbot?addr=${customer.address}`);
if (!funded.ok) throw new Error(`Friendbot answered ${funded.status}.`);
const memo = get('memo_type') === 'MEMO_ID' ? Memo.id(get('memo')) : Memo.text(get('memo'));
const paid = await customer.pay(get('destination'), get('amount'), 'native', { memo });
if (!paid.successful) throw new Error(`It was not paid: ${paid.codes.join(', ')}.`);
process.stdout.write(`${paid.hash}\n`);
