/** A decimal as digits and how many of them are behind the point; undefined for what is none. */
function read(written: string): { digits: bigint; places: number } | undefined {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(written) ?? [];
  if (whole === "") return undefined;
  const places = fraction.length - Number(exponent);
  const digits = BigInt(sign + whole + fraction);
  return places < 0 ? { digits: digits * 10n ** BigInt(-places), places: 0 } : { digits, places };
}

/** Below 0, 0 or above it, as the first of two decimals is the smaller, the same or the greater: exactly, as SQL has them. */
export function compareDecimals(a: string, b: string): number {
  const [first, second] = [read(a), read(b)];
  if (first === undefined || second === undefined) return Number.NaN;
  const scaled = ({ digits, places }: typeof first, to: number) => digits * 10n ** BigInt(to - places);
  const places = Math.max(first.places, second.places);
  const difference = scaled(first, places) - scaled(second, places);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
