import { createHash, randomBytes } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ENTROPY_LENGTH = 30;
const CHECKSUM_LENGTH = 6;
const PATTERN = new RegExp(`^anx_(live|test)_[0-9A-Za-z]{${ENTROPY_LENGTH + CHECKSUM_LENGTH}}$`);

export interface GeneratedApiKey {
  /** The plaintext, to be shown once and never stored. */
  key: string;
  prefix: "anx_live" | "anx_test";
  lastFour: string;
  /** SHA-256 of the plaintext, what is stored. */
  hashHex: string;
}

/** A new key: `anx_live_` (sandboxes: `anx_test_`), 30 random base62 characters, 6 of their CRC-32. */
export function generateApiKey(mode: "live" | "test"): GeneratedApiKey {
  const prefix = `anx_${mode}` as const;
  const body = `${prefix}_${randomBase62(ENTROPY_LENGTH)}`;
  const key = body + checksum(body);
  return { key, prefix, lastFour: key.slice(-4), hashHex: hashApiKey(key) };
}

/** Whether a text can be a key at all; needs no I/O, so typing errors and random guesses cost nothing. */
export function isWellFormedApiKey(text: string): boolean {
  return PATTERN.test(text) && checksum(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH);
}

/** SHA-256 in hex. Keys carry 178 bits of entropy, so no salt and no slow hash is needed. */
export function hashApiKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

function randomBase62(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62]; // 248 = 4 × 62: no bias.
    }
  }
  return text;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = ALPHABET[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** CRC-32 (IEEE 802.3) of an ASCII text, as an unsigned integer. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
