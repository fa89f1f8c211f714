const DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789";
const MAX_CODE_POINT = 0x10ffff;

/** A domain in its own letters: each label that is Punycode (RFC 3492) decoded, as `crm.shown_domain` does. */
export function shownDomain(domain: string): string {
  return domain
    .split(".")
    .map((label) => (label.startsWith("xn--") ? (decode(label.slice(4)) ?? label) : label))
    .join(".");
}

/** The letters that a label stands for; undefined for what is no Punycode. The names are those of the RFC (§6.2). */
function decode(encoded: string): string | undefined {
  const delimiter = encoded.lastIndexOf("-");
  const output = [...encoded.slice(0, Math.max(delimiter, 0))].map((letter) => letter.codePointAt(0) ?? 0);
  let codePoint = 128;
  let bias = 72;
  let place = 0;
  for (let at = delimiter + 1; at < encoded.length; ) {
    const before = place;
    let weight = 1;
    for (let step = 36; ; step += 36) {
      const digit = DIGITS.indexOf(encoded[at++] ?? "?");
      if (digit < 0) return undefined;
      place += digit * weight;
      const threshold = Math.max(1, Math.min(26, step - bias));
      if (digit < threshold) break;
      weight *= 36 - threshold;
    }
    const count = output.length + 1;
    bias = adapted(place - before, count, before === 0);
    codePoint += Math.floor(place / count);
    if (codePoint > MAX_CODE_POINT) return undefined;
    place %= count;
    output.splice(place, 0, codePoint);
    place += 1;
  }
  return String.fromCodePoint(...output);
}

function adapted(difference: number, count: number, isFirst: boolean): number {
  let delta = Math.floor(difference / (isFirst ? 700 : 2));
  delta += Math.floor(delta / count);
  let bias = 0;
  for (; delta > 455; bias += 36) delta = Math.floor(delta / 35);
  return bias + Math.floor((36 * delta) / (delta + 38));
}
