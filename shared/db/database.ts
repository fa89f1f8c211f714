import { createClient, type PostgrestError } from "@supabase/supabase-js";
import {
  MAX_AT_ONCE,
  MAX_BULK_WAIT_MS,
  MAX_CALLS_WAITING,
  MAX_EXPORT_WAIT_MS,
  MAX_REST_MS,
  MAX_WAIT_MS,
} from "../bounds.ts";
import type { Config } from "../config.ts";
import { ApiError } from "../errors.ts";
import { Gate, patiently } from "../limits/gate.ts";
import { createSigner } from "../signing_key.ts";
import type { AnswerOf, ApiFunction, ArgumentOf, TextFunction } from "./api_functions.ts";
import { sqlError } from "./sql_errors.ts";

/** Whose places a call takes (`gate.admit`), when not those of all others. */
export type Lane = "job" | "bulk";

/** The claims that row-level security reads (`crm.claims()`). */
export type Claims =
  | { role: "crm_auth" }
  | { role: "crm_worker" }
  | ({ role: "crm_api"; workspace_id: string; lane?: Lane } & ({ key_id: string; ips?: string } | { user_id: string }));

/** A short-lived JWT and when it must not be used any more (epoch milliseconds). */
interface Token {
  jwt: string;
  staleAt: number;
}

const TOKEN_LIFETIME_SECONDS = 300;
const CALL_TIMEOUT_MS = 10_000;
const DEADLINE_STEP_MS = 1_000;
const MAX_TOKENS = 10_000;

/** The only way to data: through PostgREST, as one of our roles, never as a service. */
export interface Database {
  /** The live row of a view in `api` that has the id, whole; undefined when the claims may see none. @throws as `call` */
  find(view: string, id: string, claims: Claims): Promise<Record<string, unknown> | undefined>;
  /** @throws ApiError mapped from what the database raised, `service_unavailable` when it can't be reached. */
  call<F extends ApiFunction>(name: F, argument: ArgumentOf<F>, claims: Claims): Promise<AnswerOf<F>>;
  /** As `call`, of a function whose answer is text: its bytes, which nobody has looked at. @throws as `call` */
  bytes<F extends TextFunction>(name: F, argument: ArgumentOf<F>, claims: Claims): Promise<Uint8Array<ArrayBuffer>>;
}

export function createDatabase(config: Config): Database {
  const publicRest = `${config.supabaseUrl}/rest/v1`;
  const client = createClient(config.supabaseUrl, config.publishableKey, {
    db: { schema: "api" },
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: {
      fetch: (input, init) => fetch(String(input).replace(publicRest, config.restUrl), init),
    },
  });
  const sign = createSigner(config.jwtSigningKey);
  const tokens = new Map<string, Token>();

  async function tokenFor(claims: Claims): Promise<string> {
    const identity = JSON.stringify(claims);
    const known = tokens.get(identity);
    if (known !== undefined && known.staleAt > Date.now()) return known.jwt;
    const staleAt = Date.now() + (TOKEN_LIFETIME_SECONDS - 60) * 1000;
    const jwt = await sign(claims, TOKEN_LIFETIME_SECONDS);
    if (tokens.size >= MAX_TOKENS) tokens.clear();
    tokens.set(identity, { jwt, staleAt });
    return jwt;
  }

  // A timer for each call costs a fifth of the call; calls of the same second share one.
  let shared = { signal: AbortSignal.timeout(CALL_TIMEOUT_MS), madeAt: Date.now() };
  function deadline(): AbortSignal {
    if (Date.now() - shared.madeAt >= DEADLINE_STEP_MS)
      shared = { signal: AbortSignal.timeout(CALL_TIMEOUT_MS), madeAt: Date.now() };
    return shared.signal;
  }

  // Over all isolates the database counts (`gate.admit`), but a call that is refused there has cost a connection.
  const gate = new Gate({
    places: MAX_AT_ONCE,
    maxWaiting: MAX_CALLS_WAITING,
    maxWaitMs: MAX_WAIT_MS,
    maxRestMs: MAX_REST_MS,
  });

  /** A call in its workspace's turn. */
  function inTurn<Result>(claims: Claims, call: () => Promise<Result>, maxWaitMs = MAX_WAIT_MS): Promise<Result> {
    if (claims.role !== "crm_api") return call();
    const lane = claims.lane ?? "call";
    const waitMs = lane === "bulk" ? MAX_BULK_WAIT_MS : maxWaitMs;
    const endsAt = Date.now() + waitMs;
    return gate.pass(claims.workspace_id, lane, () => patiently(call, endsAt), waitMs);
  }

  const direct: Database = {
    async find(view, id, claims) {
      const { data, error, status } = (await client
        .from(view)
        .select()
        .eq("id", id)
        .setHeader("Authorization", `Bearer ${await tokenFor(claims)}`)
        .abortSignal(deadline())
        .retry(false)) as { data: Record<string, unknown>[] | null; error: PostgrestError | null; status: number };
      if (error === null) return data?.[0];
      throw sqlError(error, status, true);
    },
    async call<F extends ApiFunction>(name: F, argument: ArgumentOf<F>, claims: Claims) {
      const { data, error, status } = (await client
        .rpc(name, argument)
        .setHeader("Authorization", `Bearer ${await tokenFor(claims)}`)
        .abortSignal(deadline())) as { data: AnswerOf<F>; error: PostgrestError | null; status: number };
      if (error === null) return data;
      throw sqlError(error, status, isRead(name));
    },
    async bytes(name, argument, claims) {
      // Not by the client: it would make text of the bytes, and JSON's value of the text.
      const response = await fetch(`${config.restUrl}/rpc/${name}`, {
        method: "POST",
        headers: {
          apikey: config.publishableKey,
          Authorization: `Bearer ${await tokenFor(claims)}`,
          "Content-Type": "application/json",
          "Content-Profile": "api",
          // Each as it is, where PostgREST would make JSON of it.
          Accept: "text/plain, application/octet-stream",
        },
        body: JSON.stringify(argument),
        signal: deadline(),
      });
      if (response.ok) return new Uint8Array(await response.arrayBuffer());
      const error = (await response.json().catch(() => ({ code: "", message: "", details: null }))) as PostgrestError;
      throw sqlError(error, response.status, isRead(name));
    },
  };
  return {
    find: (view, id, claims) => inTurn(claims, () => direct.find(view, id, claims)),
    call: (name, argument, claims) => inTurn(claims, () => direct.call(name, argument, claims)),
    bytes: (name, argument, claims) => inTurn(claims, () => direct.bytes(name, argument, claims), MAX_EXPORT_WAIT_MS),
  };
}

/** Whether a function only reads: its statement timeout is about the question. */
function isRead(name: ApiFunction): boolean {
  return /^(read|search|summarize|export|find|deal_transitions|custom_fields_of)/.test(name);
}

const MAX_ATTEMPTS = 4;

/** As `call`, again after a deadlock or a serialization failure: both undid the transaction whole. */
export async function callWithRetry<F extends ApiFunction>(
  database: Database,
  name: F,
  argument: ArgumentOf<F>,
  claims: Claims,
): Promise<AnswerOf<F>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await database.call(name, argument, claims);
    } catch (error) {
      const undone = error instanceof ApiError && error.cause instanceof Object && "retryable" in error.cause;
      if (!undone || attempt === MAX_ATTEMPTS) throw error;
      // Apart from each other, or those that collided collide again.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** attempt));
    }
  }
}
