/** Operations that change an account or its trustlines but move no money. */
import { Asset } from '@stellar/stellar-sdk';
import { MAX_STROOPS, parseAmount } from '../../domain/money.ts';
import { accountFields, assetFields } from './details.ts';
import { issuerOf } from './balances.ts';
import { minimumBalance } from './entries.ts';
import type { AccountEntry } from './entries.ts';
import type { Operation } from './envelope.ts';
import type { Json } from './history.ts';
import { failed, notTried, succeeded } from './result.ts';
import type { Applied, Stage } from './stage.ts';

type Of<T extends Operation['type']> = Extract<Operation, { type: T }>;
type AccountOperation = Of<'changeTrust' | 'manageData' | 'setOptions' | 'bumpSequence'>;

const TYPES: ReadonlySet<string> = new Set([
  'changeTrust',
  'manageData',
  'setOptions',
  'bumpSequence',
]);

/** Whether `applyAccountOperation` is the one to apply it. */
export function isAccountOperation(op: Operation): op is AccountOperation {
  return TYPES.has(op.type);
}

/** Applies change_trust, manage_data, set_options (which only stores the home domain) or bump_sequence. */
export function applyAccountOperation(op: AccountOperation, stage: Stage): Applied {
  if (op.type === 'changeTrust') return changeTrust(op, stage);
  if (op.type === 'manageData') {
    return record('manage_data', manageData(op, stage), stage, {
      name: op.name,
      value: op.value ? Buffer.from(op.value).toString('base64') : '',
    });
  }
  const entry = stage.ws.touchAccount(stage.source);
  if (op.type === 'setOptions') {
    const { homeDomain } = op;
    if (entry && homeDomain !== undefined) entry.homeDomain = homeDomain;
    return record('set_options', null, stage, homeDomain ? { home_domain: homeDomain } : {});
  }
  if (entry && BigInt(op.bumpTo) > entry.sequence) entry.sequence = BigInt(op.bumpTo);
  return record('bump_sequence', null, stage, { bump_to: op.bumpTo });
}

function record(type: string, failure: string | null, stage: Stage, details: Json): Applied {
  const result = failure === null ? succeeded(type) : failed(type, failure);
  return { type, result, details, participants: [stage.source], effects: [], isPayment: false };
}

function changeTrust(op: Of<'changeTrust'>, stage: Stage): Applied {
  if (!(op.line instanceof Asset)) {
    const participants = [stage.source];
    const result = notTried('not_supported');
    return {
      type: 'change_trust',
      result,
      details: {},
      participants,
      effects: [],
      isPayment: false,
    };
  }
  const asset = op.line.toString();
  const limit = parseAmount(op.limit);
  const applied = record('change_trust', setLimit(asset, limit, stage), stage, {
    ...assetFields(asset),
    trustee: issuerOf(asset),
    ...accountFields('trustor', stage.address),
    limit: op.limit,
  });
  if (applied.result.ok) {
    stage.contracts.set(op.line.contractId(stage.passphrase), asset);
  }
  return applied;
}

function setLimit(asset: string, limit: bigint, { ws, source }: Stage): string | null {
  const existing = ws.account(source)?.trustlines.get(asset);
  // One reason for all of these, as in ChangeTrustOpFrame::doApply: nothing to end, or less than is held.
  if (existing ? limit < existing.balance : limit === 0n) return 'invalid_limit';
  if (existing && limit > 0n) {
    const line = ws.touchTrustline(source, asset);
    if (line) line.limit = limit;
    return null;
  }
  // Adding or deleting a trustline changes the number of subentries, so the account entry is written, too.
  const entry = ws.touchAccount(source);
  if (!entry) return 'no_issuer';
  if (existing) {
    entry.trustlines.delete(asset);
    return null;
  }
  if (!ws.account(issuerOf(asset) ?? '')) return 'no_issuer';
  entry.trustlines.set(asset, {
    balance: 0n,
    limit: limit > MAX_STROOPS ? MAX_STROOPS : limit,
    lastModified: ws.ledger,
  });
  return lowReserve(entry);
}

function manageData(op: Of<'manageData'>, { ws, source }: Stage): string | null {
  const entry = ws.touchAccount(source);
  if (!entry) return 'invalid_name';
  if (!op.value) return entry.data.delete(op.name) ? null : 'name_not_found';
  entry.data.set(op.name, Buffer.from(op.value).toString('base64'));
  return lowReserve(entry);
}

function lowReserve(entry: AccountEntry): string | null {
  return entry.balance < minimumBalance(entry) ? 'low_reserve' : null;
}
