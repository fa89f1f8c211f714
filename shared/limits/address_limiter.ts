import type { Bucket, RateDecision } from "./limiter.ts";
import type { LocalLimiter } from "./local_limiter.ts";
import type { ResilientLimiter } from "./resilient_limiter.ts";

/**
 * Limits clients without a valid key by their address.
 *
 * A request whose key is missing, malformed or fails its checksum is refused with no I/O at all, so it is counted in
 * this process only: asking Redis would make refusing cost more than the flood. A well-formed but unknown key has cost
 * a look-up anyway; it is counted here and in Redis, so guessing keys is limited across all processes.
 */
export interface AddressLimiter {
  /** Counts a request that was refused without I/O. */
  takeLocally(address: string): RateDecision;
  /** Counts a request whose key had to be looked up. Never rejects. */
  take(address: string): Promise<RateDecision>;
  /**
   * Whether the database may be asked for a key nobody has seen yet. An address with requests left always may; one
   * that has used them up has as many look-ups again, because a good key behind it must not suffer from bad ones.
   */
  takeLookup(address: string): RateDecision;
  /** What is left, for answers that cost nothing. */
  peek(address: string): RateDecision;
}

/** `local` must be the one that `limiter` records in, so that both kinds of request add up. */
export function createAddressLimiter({
  limiter,
  local,
}: {
  limiter: ResilientLimiter;
  local: LocalLimiter;
}): AddressLimiter {
  return {
    takeLocally: (address) => local.take(bucketOf(address)),
    take: (address) => limiter.take(bucketOf(address)),
    takeLookup: (address) => {
      const left = local.peek(bucketOf(address));
      return left.allowed ? left : local.take({ plan: "address", id: `lookup ${networkOf(address)}` });
    },
    peek: (address) => local.peek(bucketOf(address)),
  };
}

function bucketOf(address: string): Bucket {
  return { plan: "address", id: networkOf(address) };
}

/** An IPv4 address as it is; of an IPv6 address the /64, because that is what one customer of a provider gets. */
export function networkOf(address: string): string {
  const text = address
    .toLowerCase()
    .replace(/%.*/, "")
    .replace(/^::ffff:(?=\d+\.)/, "");
  if (!text.includes(":")) return text.slice(0, 64);
  const [head, tail] = text.split("::");
  const before = head ? head.split(":") : [];
  const after = tail ? tail.split(":") : [];
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  const groups = [...before, ...(tail === undefined ? [] : zeros), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, "").slice(0, 4))
    .join(":")}::/64`;
}
