import type { SigningKey } from "../../shared/signing_key.ts";
import type { FunctionEnv } from "./function.ts";
import type { Part } from "./settings.ts";

/** What `<data>/stack.json` says of a running stack. */
export interface StackInfo {
  /** Through the gateway, as a customer calls it. */
  apiUrl: string;
  /** The function itself, without the gateway. */
  functionUrl: string;
  /** PostgREST itself. */
  restUrl: string;
  upstashUrl: string;
  /** Where a person reads what was sent. */
  mailboxUrl: string;
  /** As the superuser. */
  databaseUrl: string;
  /** What the function was started with; a test starts another one with parts of it changed. */
  functionEnv: FunctionEnv;
  /** What signs the demo users in, by variable name: SUPABASE_URL and _PUBLISHABLE_KEY, DEMO_…_EMAIL and _PASSWORD. */
  signIn: Record<string, string>;
  /** What Auth signs sessions with; a test makes some of its own. */
  authKey: SigningKey;
  /** The demo keys by variable name. */
  keys: Record<string, string>;
  ports: Record<Part, number>;
  /** Of `supervisor`, `postgres`, `auth`, `postgrest`, `redis`, `upstash` and `function`; rewritten when one was restarted. */
  pids: Record<string, number>;
  /** Whether limits are counted in a Redis server or in the endpoint's memory. */
  redis: "server" | "memory";
}
