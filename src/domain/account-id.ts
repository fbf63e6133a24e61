/** The address of an account (strkey, SEP-23), checked without the SDK: domain/ imports nothing outside itself. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** The first byte of every account id: 6 << 3. */
const ACCOUNT_VERSION = 48;
/** Version, 32 bytes of key, two bytes of checksum: 56 characters of base32 without padding. */
const ACCOUNT_ID = /^G[A-Z2-7]{55}$/;

/** Whether the text is the address of an account (G…): prefix, length, alphabet and checksum. */
export function isAccountId(text: string): boolean {
  if (!ACCOUNT_ID.test(text)) return false;
  const bytes = decodeBase32(text);
  const checksum = (bytes[33] ?? 0) | ((bytes[34] ?? 0) << 8);
  return bytes[0] === ACCOUNT_VERSION && crc16(bytes.subarray(0, 33)) === checksum;
}

/** The first byte of every muxed account: 12 << 3. */
const MUXED_VERSION = 96;

/** An account with a u64 inside (M…): the key's 32 bytes, then the number's eight, the highest first. */
export function muxedAccountId(account: string, id: bigint): string {
  const bytes = new Uint8Array(43);
  bytes[0] = MUXED_VERSION;
  bytes.set(decodeBase32(account).subarray(1, 33), 1);
  for (let at = 0; at < 8; at += 1) bytes[33 + at] = Number((id >> BigInt(56 - 8 * at)) & 0xffn);
  const checksum = crc16(bytes.subarray(0, 41));
  bytes[41] = checksum & 0xff;
  bytes[42] = checksum >> 8;
  return encodeBase32(bytes);
}

function encodeBase32(bytes: Uint8Array): string {
  let [text, buffer, bits] = ['', 0, 0];
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(buffer >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + ALPHABET[(buffer << (5 - bits)) & 31];
}

function decodeBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let [buffer, bits, at] = [0, 0, 0];
  for (const character of text) {
    buffer = ((buffer << 5) | ALPHABET.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at] = (buffer >> bits) & 0xff;
    at += 1;
  }
  return bytes;
}

/** CRC16-XModem, as SEP-23 has it. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff;
    }
  }
  return crc;
}
