import type { Reply } from "./backend.ts";
import type { Keyspace } from "./memory_keyspace.ts";

/** `keys` and `args` as EVAL has them; how many there are is a matter of the script that the SHA stands for. */
type NativeScript = (keyspace: Keyspace, keys: string[], args: number[]) => Reply;

/**
 * The scripts of `@upstash/ratelimit` 2.2.0 that we call, by the SHA in its `hash.ts`, step for step. A test runs them
 * against a real Redis, and another fails when a new version of the package has other SHAs.
 */
export const NATIVE_SCRIPTS: Record<string, { keyCount: number; run: NativeScript }> = {
  "74740bb3d7792848093cdef586b6b6037c455fd6": { keyCount: 2, run: slidingWindowLimit },
  d60be5bd3d83482ae229309f1f7425424f891204: { keyCount: 1, run: tokenBucketLimit },
};

/** The native form of a script; undefined when it has to run as Lua, as one with the extra key of a dynamic limit does. */
export function nativeScript(sha: string, keyCount: number): NativeScript | undefined {
  const script = NATIVE_SCRIPTS[sha];
  return script?.keyCount === keyCount ? script.run : undefined;
}

function slidingWindowLimit(keyspace: Keyspace, keys: string[], args: number[]): Reply {
  const [currentKey, previousKey] = keys as [string, string];
  const [limit, nowMs, windowMs, cost] = args as [number, number, number, number];
  const current = Number(keyspace.getString(currentKey) ?? 0);
  const previous = Number(keyspace.getString(previousKey) ?? 0);
  const weighted = Math.floor((1 - (nowMs % windowMs) / windowMs) * previous);
  if (cost > 0 && weighted + current >= limit) return [-1, limit];

  const used = current + cost;
  keyspace.setString(currentKey, String(used));
  if (used === cost) keyspace.expire(currentKey, windowMs * 2 + 1000);
  return [limit - (used + weighted), limit];
}

function tokenBucketLimit(keyspace: Keyspace, keys: string[], args: number[]): Reply {
  const [key] = keys as [string];
  const [capacity, intervalMs, refill, nowMs, cost] = args as [number, number, number, number, number];
  const bucket = keyspace.getHash(key);
  let refilledAt = bucket ? Number(bucket["refilledAt"]) : nowMs;
  let tokens = bucket ? Number(bucket["tokens"]) : capacity;
  if (nowMs >= refilledAt + intervalMs) {
    const refills = Math.floor((nowMs - refilledAt) / intervalMs);
    tokens = Math.min(capacity, tokens + refills * refill);
    refilledAt += refills * intervalMs;
  }
  if (cost > 0 && tokens < cost) return [-1, refilledAt + intervalMs, capacity];

  const remaining = tokens - cost;
  keyspace.setHash(key, { ...bucket, refilledAt: String(refilledAt), tokens: String(remaining) });
  const ttlMs = Math.ceil((capacity - remaining) / refill) * intervalMs;
  if (ttlMs > 0) keyspace.expire(key, ttlMs);
  return [remaining, refilledAt + intervalMs, capacity];
}
