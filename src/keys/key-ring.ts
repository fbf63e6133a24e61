/** Keys for encryption (AES-256-GCM): the first one encrypts, all of them decrypt, so that a key can be replaced. */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  type KeyObject,
} from 'node:crypto';

/** A key, and the name under which what it encrypted says so. */
export type Key = { readonly id: string; readonly secret: KeyObject };

/** The keys of a process. */
export type KeyRing = { readonly first: Key; readonly byId: ReadonlyMap<string, Key> };

/** The text makes no key ring. Its message never contains a key. */
export class UnfitKeys extends Error {
  override readonly name = 'UnfitKeys';
}

const KEY_BYTES = 32;
/** What GCM wants. Random ones of 96 bits may be drawn some 2^32 times under one key. */
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Reads `id:key` entries, separated by commas or line ends; a key is 32 bytes in base64. @throws UnfitKeys */
export function parseKeyRing(text: string): KeyRing {
  const entries = text
    .split(/[\n,]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const keys = entries.map((entry, index) => parseKey(entry, index + 1));
  const [first] = keys;
  if (first === undefined) throw new UnfitKeys('contains no key');
  const byId = new Map(keys.map((key) => [key.id, key]));
  if (byId.size < keys.length) throw new UnfitKeys('has two keys with one id');
  return { first, byId };
}

function parseKey(entry: string, position: number): Key {
  const [, id, encoded] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+={0,2})$/.exec(entry) ?? [];
  if (id === undefined || encoded === undefined) {
    throw new UnfitKeys(`has an entry (number ${position}) that is not \`id:base64\``);
  }
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new UnfitKeys(`has a key ("${id}") of ${bytes.length} bytes; AES-256 takes ${KEY_BYTES}`);
  }
  return { id, secret: createSecretKey(bytes) };
}

/** Encrypts: IV, ciphertext and tag in one piece. `boundTo` must be the same at decryption; it is not contained. */
export function seal({ secret }: Key, plain: Uint8Array, boundTo = ''): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(Buffer.from(boundTo));
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Decrypts what `seal` made. @throws Error when it was changed, or bound to something else */
export function unseal({ secret }: Key, sealed: Uint8Array, boundTo = ''): Buffer {
  if (sealed.length < IV_BYTES + TAG_BYTES) throw new Error('Too short to be encrypted.');
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(Buffer.from(boundTo))
    .setAuthTag(sealed.subarray(tagAt));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, tagAt)), decipher.final()]);
}
