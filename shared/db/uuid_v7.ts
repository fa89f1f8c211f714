/**
 * Ids for new records, in strictly ascending order (RFC 9562 version 7, method 1: 48 bits of
 * milliseconds and a 12-bit counter), so that ordering by id is the order of the batch.
 */
export function uuidsV7(count: number, now: number = Date.now()): string[] {
  let milliseconds = now;
  let counter = Math.floor(Math.random() * 0x800);
  return Array.from({ length: count }, () => {
    if (counter > 0xfff) {
      milliseconds += 1;
      counter = 0;
    }
    const time = milliseconds.toString(16).padStart(12, "0");
    const sequence = (0x7000 | counter++).toString(16);
    const variantAndRandom = crypto.randomUUID().slice(19);
    return `${time.slice(0, 8)}-${time.slice(8)}-${sequence}-${variantAndRandom}`;
  });
}
