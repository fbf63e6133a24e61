import { defineSearchAttributeKey } from '@temporalio/common';

/** By these an operator finds sessions in the Temporal UI. They are not encrypted: no payer data goes here. */
export const CHECKOUT_STATUS = defineSearchAttributeKey('CheckoutStatus', 'KEYWORD');
export const MERCHANT_ID = defineSearchAttributeKey('MerchantId', 'KEYWORD');
export const CHECKOUT_ASSET = defineSearchAttributeKey('CheckoutAsset', 'KEYWORD');
export const RECEIVING_ACCOUNT = defineSearchAttributeKey('ReceivingAccount', 'KEYWORD');
export const CHECKOUT_DEADLINE = defineSearchAttributeKey('CheckoutDeadline', 'DATETIME');
export const NEEDS_ATTENTION = defineSearchAttributeKey('NeedsAttention', 'BOOL');

/**
 * All of them. An attribute that the namespace does not know blocks a workflow for ever (seen on server 1.29),
 * so the worker checks this list before it starts.
 */
export const SEARCH_ATTRIBUTES = [
  CHECKOUT_STATUS,
  MERCHANT_ID,
  CHECKOUT_ASSET,
  RECEIVING_ACCOUNT,
  CHECKOUT_DEADLINE,
  NEEDS_ATTENTION,
] as const;
