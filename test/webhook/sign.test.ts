/** What a receiver verifies: with a Standard Webhooks library, or with code written for the existing backend. */
import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { canSign, signedHeaders, type SignedEvent } from '../../src/webhook/sign.ts';

const WHSEC = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`;
const HEX = 'c0ffee'.repeat(10) + 'c0ff';

const event = (fields: Partial<SignedEvent> = {}): SignedEvent => ({
  eventId: '0f9c7e4a-6f0e-5b7e-9a58-8d4f1f6f7b3c',
  deliveryId: '5c1d8c0e-1111-5222-8333-444455556666',
  event: 'payment.confirmed',
  sequence: 3,
  occurredAt: new Date('2026-03-01T12:00:05Z'),
  body: '{"event":"payment.confirmed","data":{"amount":"10.0000000"},"note":"für ☕"}',
  secrets: [WHSEC],
  ...fields,
});

const sign = (fields: Partial<SignedEvent> = {}, sentAt = new Date()) =>
  signedHeaders(event(fields), sentAt);

describe('Standard Webhooks', () => {
  const { body } = event();
  const verifies = (secret: string, headers: Record<string, string>, text = body) => {
    try {
      new Webhook(secret).verify(text, headers);
      return true;
    } catch {
      return false;
    }
  };

  test.each([
    ['a whsec_ secret', WHSEC],
    ["the backend's bare hex", HEX],
    ['hex behind whsec_', `whsec_${randomBytes(24).toString('hex')}`],
  ])('the library verifies what is signed with %s', (_, secret) => {
    expect(verifies(secret, sign({ secrets: [secret] }))).toBe(true);
  });

  test('while a secret rotates, both the old and the new one verify it, and no other', () => {
    const headers = sign({ secrets: [WHSEC, HEX] });
    expect(verifies(WHSEC, headers)).toBe(true);
    expect(verifies(HEX, headers)).toBe(true);
    expect(verifies(`whsec_${'A'.repeat(44)}`, headers)).toBe(false);
    expect(headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
  });

  test.each([
    ['body', {}, `${body} `],
    ['event id', { 'webhook-id': 'another' }, body],
    ['time', { 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 1) }, body],
  ])('another %s does not verify', (_, changed, text) => {
    const headers = sign({}, new Date(Date.now() + 10_000));
    expect(verifies(WHSEC, headers)).toBe(true);
    expect(verifies(WHSEC, { ...headers, ...changed }, text)).toBe(false);
  });

  test('is signed afresh at each attempt, under the same id, so that a late retry is not stale', () => {
    const [first, later] = [sign({}, new Date(Date.now() - 3_600_000)), sign()];
    expect(verifies(WHSEC, first)).toBe(false);
    expect(verifies(WHSEC, later)).toBe(true);
    expect(later['webhook-id']).toBe(first['webhook-id']);
  });

  test('any base64 key and any text verify', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.json(), (key, text) => {
        const secret = `whsec_${Buffer.from(key).toString('base64')}`;
        expect(verifies(secret, sign({ body: text, secrets: [secret] }), text)).toBe(true);
      }),
    );
  });

  test('a secret that is no base64 is taken as it is', () => {
    const secret = 'correct horse battery staple';
    const raw = new Webhook(secret, { format: 'raw' });
    expect(raw.verify(body, sign({ secrets: [secret] }))).toEqual(JSON.parse(body));
  });
});

describe("the existing backend's signature", () => {
  /** What its documentation tells receivers to compute: HMAC-SHA256 over `id.timestamp.rawBody`, in hex. */
  function backendSignature(secret: string, headers: Record<string, string>, body: string) {
    const { 'x-orbitstream-delivery-id': id, 'x-orbitstream-timestamp': timestamp } = headers;
    const mac = createHmac('sha256', secret);
    return `sha256=${mac.update(`${id}.${timestamp}.${body}`).digest('hex')}`;
  }

  test.each([HEX, WHSEC])('verifies with the secret as the text it is: %s', (secret) => {
    const headers = sign({ secrets: [secret] });
    const expected = backendSignature(secret, headers, event().body);
    expect(headers['x-orbitstream-signature']).toBe(expected);
  });

  test('is made with the new secret while one rotates', () => {
    const headers = sign({ secrets: [HEX, WHSEC] });
    const expected = backendSignature(HEX, headers, event().body);
    expect(headers['x-orbitstream-signature']).toBe(expected);
  });

  test('its headers are those of its contract, and the same at every attempt', () => {
    const backend = (headers: Record<string, string>) =>
      Object.entries(headers).filter(([name]) => name.startsWith('x-orbitstream-'));
    const first = backend(sign({}, new Date('2026-03-01T12:00:06Z')));
    expect(Object.fromEntries(first)).toEqual({
      'x-orbitstream-event': 'payment.confirmed',
      'x-orbitstream-delivery-id': '5c1d8c0e-1111-5222-8333-444455556666',
      'x-orbitstream-timestamp': '2026-03-01T12:00:05.000Z',
      'x-orbitstream-sequence': '3',
      'x-orbitstream-signature': expect.stringMatching(/^sha256=[0-9a-f]{64}$/),
    });
    expect(backend(sign({}, new Date('2026-03-03T12:00:06Z')))).toEqual(first);
  });
});

test.each(['', 'whsec_'])('a secret without a key signs nothing: %j', (secret) => {
  expect(canSign(secret)).toBe(false);
  expect(() => sign({ secrets: [secret] })).toThrow('A webhook secret without a key');
  expect(() => sign({ secrets: [WHSEC, secret] })).toThrow('A webhook secret without a key');
  expect(canSign(WHSEC) && canSign(HEX)).toBe(true);
});
