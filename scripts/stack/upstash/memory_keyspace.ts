import type { Redis } from "ioredis";

const SWEEP_EVERY_MS = 60_000;

/** The few synchronous steps that a native script takes on the keys of ioredis-mock. Times are milliseconds. */
export interface Keyspace {
  /** Throws WRONGTYPE, as Redis does, when the key holds something else. */
  getString(key: string): string | undefined;
  setString(key: string, value: string): void;
  getHash(key: string): Record<string, string> | undefined;
  setHash(key: string, fields: Record<string, string>): void;
  /** Sets the time to live of an existing key. */
  expire(key: string, ttlMs: number): void;
  clear(): "OK";
}

/** What ioredis-mock keeps on each instance. Its own commands are promises, too late for a step within a script. */
interface MockState {
  data: {
    get(key: string): unknown;
    set(key: string, value: unknown): void;
    has(key: string): boolean;
    delete(key: string): void;
    keys(): string[];
  };
  expires: { set(key: string, epochMs: number): void };
}

/** The keys of `mock`, read and written within one tick, so that a script of several steps is atomic. */
export function createMemoryKeyspace(mock: Redis): Keyspace {
  const { data, expires } = mock as unknown as MockState;
  const expiring = new Set<string>();
  let sweptAt = Date.now();

  // ioredis-mock frees an expired key when somebody asks for it; nobody asks for the window of a past minute.
  const sweep = () => {
    sweptAt = Date.now();
    for (const key of expiring) if (!data.has(key)) expiring.delete(key);
  };

  return {
    getString: (key) => typed(data.get(key), "string") as string | undefined,
    setString: (key, value) => data.set(key, value),
    getHash: (key) => typed(data.get(key), "object") as Record<string, string> | undefined,
    setHash: (key, fields) => data.set(key, fields),
    expire(key, ttlMs) {
      expires.set(key, Date.now() + ttlMs);
      expiring.add(key);
      if (Date.now() - sweptAt > SWEEP_EVERY_MS) sweep();
    },
    clear() {
      for (const key of data.keys()) data.delete(key);
      expiring.clear();
      return "OK";
    },
  };
}

function typed(value: unknown, type: "string" | "object"): unknown {
  const matches = value === undefined || (typeof value === type && !Array.isArray(value) && !(value instanceof Set));
  if (!matches) throw new Error("WRONGTYPE Operation against a key holding the wrong kind of value");
  return value;
}
