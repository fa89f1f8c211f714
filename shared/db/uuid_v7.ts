/**
 * Ids for new records, in strictly ascending order (RFC 9562 version 7, method 1: 48 bits of
 * milliseconds and a 12-bit counter), so that ordering by id is the order of the batch.
 */
export function uuidsV7(count: number, now: number = Date.now()): string[] {
  const random = crypto.getRandomValues(new Uint8Array(8 * count));
  let milliseconds = now;
  let counter = crypto.getRandomValues(new Uint16Array(1))[0]! & 0x7ff;
  return Array.from({ length: count }, (_, index) => {
    if (counter > 0xfff) {
      milliseconds += 1;
      counter = 0;
    }
    const tail = random.subarray(index * 8, index * 8 + 8);
    tail[0] = (tail[0]! & 0x3f) | 0x80;
    const time = milliseconds.toString(16).padStart(12, "0");
    const sequence = (0x7000 | counter++).toString(16);
    const rest = Array.from(tail, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${time.slice(0, 8)}-${time.slice(8)}-${sequence}-${rest.slice(0, 4)}-${rest.slice(4)}`;
  });
}
