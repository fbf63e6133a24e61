/**
 * The events that merchants receive, one schema for each: the single source of the types exported here, of
 * docs/schemas/*.json and of the tables in docs/events.md. domain/event.ts makes the events; test/events holds both
 * together. Keys may be added to events, never taken away or given another meaning.
 */
import { z } from 'zod';
import type { EventType } from './domain/event.ts';
import type { HeldReason } from './domain/held.ts';
import { METADATA_BYTES, METADATA_DEPTH, METADATA_VALUES } from './domain/metadata.ts';

/** Why money is held, as far as merchants are told: whose ambiguous and unmatched money is, nobody knows. */
export type ExceptionReason = Exclude<HeldReason, 'ambiguous' | 'unmatched'>;

/** What each reason means, in a few words. */
export const EXCEPTION_REASONS: Readonly<Record<ExceptionReason, string>> = {
  overpaid: 'the part of a payment that the paid session did not need',
  underpaid: 'it counted, but the session ended short',
  duplicate: 'the session was paid already',
  late: 'its ledger closed after the effective deadline',
  wrong_asset: 'another asset code or another issuer',
  nothing: 'an amount of zero',
  after_cancellation: 'on time, but found after everybody was told of the cancellation',
};

const text = (pattern: RegExp, description: string) =>
  z.string().regex(pattern).meta({ description });
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const uuid = (description: string) => text(UUID, description);
const amount = (description: string) => text(/^\d+\.\d{7}$/, description);
const txHash = (description: string) => text(/^[0-9a-f]{64}$/, description);

const sessionId = uuid('The session');
const sender = z
  .string()
  .meta({ description: 'Who paid: G…; M… when the payer used a muxed account; C… for a contract' });
const price = amount('What the session asked for');

const ofSession = {
  assetIssuer: z.string().nullable().meta({ description: 'Issuer of the asset; null for lumens' }),
  memo: z.string().nullable().meta({
    description: "The session's reference; null only on broken rows of an older backend",
  }),
  metadata: z.unknown().meta({
    description: 'What the backend stored with the session, unchanged; null when it stored nothing',
  }),
  metadataOmitted: z
    .literal(true)
    .optional()
    .meta({
      description: `True, and metadata null, where a row's metadata is beyond ${METADATA_BYTES} bytes, ${METADATA_DEPTH} levels or ${METADATA_VALUES} values: read it in the row. Absent otherwise`,
    }),
};
const sessionAsset = z.string().meta({ description: "Code of the session's asset" });

/** The body around the data, in the order of its keys. */
function eventOf<T extends EventType, D extends z.ZodObject>(
  type: T,
  { description, when, data }: { description: string; when: string; data: D },
) {
  return z
    .object({
      event: z.literal(type).meta({ description: 'The event, as older receivers read it' }),
      data,
      timestamp: z
        .string()
        .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        .meta({ description: `${when}; not when it was sent`, format: 'date-time' }),
      type: z.literal(type).meta({ description: 'The event, as Standard Webhooks tools read it' }),
      id: uuid("The event's id, the same as `webhook-id`: act on it once"),
    })
    .meta({ title: type, description });
}

const endedData = z.object({
  sessionId,
  price,
  received: amount('What was credited, and did not suffice'),
  asset: sessionAsset,
  closedThroughLedger: z.int().nonnegative().meta({
    description: 'The first ledger that closed after the deadline: everything before it is proven',
  }),
  ...ofSession,
});

const together = z
  .object({
    payments: z.int().positive().meta({ description: 'How many they are, with this one' }),
    sums: z
      .array(
        z.object({
          asset: z.string().meta({ description: 'Code of an asset' }),
          assetIssuer: z.string().nullable().meta({ description: 'Its issuer; null for lumens' }),
          amount: amount('What is held in it'),
          payments: z.int().positive().meta({ description: 'In so many payments' }),
        }),
      )
      .meta({ description: 'What they are worth, by asset; the first ten assets' }),
    furtherAssets: z
      .int()
      .nonnegative()
      .meta({ description: 'So many other assets came and are not summed' }),
  })
  .meta({
    description:
      'Only where one reason holds more than 20 payments of the session: all of them in ledger order, through this one',
  });

/** The schema of each event's whole body. Keys that it does not know are let through. */
export const EVENT_SCHEMAS = {
  'payment.confirmed': eventOf('payment.confirmed', {
    description: 'The session became paid. At most one for each session.',
    when: 'Close time of the ledger of the completing payment',
    data: z.object({
      sessionId,
      txHash: txHash('Transaction of the completing payment'),
      amount: amount('The credited sum, of all parts'),
      asset: sessionAsset,
      sender,
      price,
      overpaid: amount('How much more than the price was credited; it is held'),
      ...ofSession,
    }),
  }),
  'session.expired': eventOf('session.expired', {
    description: 'The deadline passed, and what arrived did not suffice. At most one.',
    when: 'The effective deadline',
    data: endedData,
  }),
  'session.cancelled': eventOf('session.cancelled', {
    description:
      'The session was cancelled before its deadline, and not paid by then. At most one.',
    when: 'The effective deadline: when it was cancelled',
    data: endedData,
  }),
  'payment.exception': eventOf('payment.exception', {
    description:
      'Money is held. One for each of the first 20 payments of a reason; the 21st, 41st, 81st, … also sums up all before it.',
    when: 'Close time of the ledger of that payment',
    data: z.object({
      sessionId,
      reason: z
        .enum(Object.keys(EXCEPTION_REASONS) as ExceptionReason[])
        .meta({ description: 'Why it is held' }),
      amount: amount('What is held'),
      received: amount('The whole payment'),
      asset: z.string().meta({ description: 'Code of the asset that was paid' }),
      assetIssuer: z
        .string()
        .nullable()
        .meta({ description: 'Issuer of the asset that was paid; null for lumens' }),
      txHash: txHash('Transaction of the payment'),
      operationIndex: z
        .int()
        .nonnegative()
        .meta({ description: 'Which operation of that transaction, from 0' }),
      sender,
      memo: ofSession.memo,
      metadata: ofSession.metadata,
      metadataOmitted: ofSession.metadataOmitted,
      together: together.optional(),
    }),
  }),
} satisfies Record<EventType, z.ZodObject>;

/** The body of `payment.confirmed`. */
export type PaymentConfirmed = z.infer<(typeof EVENT_SCHEMAS)['payment.confirmed']>;

/** The body of `session.expired`. */
export type SessionExpired = z.infer<(typeof EVENT_SCHEMAS)['session.expired']>;

/** The body of `session.cancelled`. */
export type SessionCancelled = z.infer<(typeof EVENT_SCHEMAS)['session.cancelled']>;

/** The body of `payment.exception`. */
export type PaymentException = z.infer<(typeof EVENT_SCHEMAS)['payment.exception']>;

/** The body of any event; `type` tells which. */
export type SettlementEvent =
  PaymentConfirmed | SessionExpired | SessionCancelled | PaymentException;
