const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** `req_` and 22 characters: 10 of the time in milliseconds, so ids sort by time, and 12 random ones (60 bits). */
export function newRequestId(now: number = Date.now()): string {
  let rest = now;
  let time = "";
  for (let i = 0; i < 10; i++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  let random = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(12))) random += ALPHABET[byte & 31];
  return `req_${time}${random}`;
}
