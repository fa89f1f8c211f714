import type { z } from "zod";
import type { Scope } from "../auth/principal.ts";
import type { Idempotency } from "../db/records.ts";
import type { ErrorCode } from "../errors.ts";
import type { Resource } from "../resources/define.ts";
import type { AuthorizedExchange, Exchange, Reply, SignedInExchange } from "./exchange.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** What a route reads of the URL's query. */
export interface Query<Asked> {
  /** The parameters by name, each with the schema of its text. */
  parameters: z.ZodObject;
  /** The resource whose fields filter beside them: `status=active`, `created_at[gte]=…`. */
  filters?: Resource;
  errors: readonly ErrorCode[];
  /** @throws ApiError that says what to write instead */
  parse(exchange: AuthorizedExchange): Asked | Promise<Asked>;
}

/** The JSON that a route takes. */
export interface Body<Sent> {
  /** The whole body, as it is described; of a bulk request the records too, which its handler reads one by one. */
  schema: z.ZodType;
  maxBytes: number;
  /** Whether `parse` gets the bytes as they came, because it matters which they are. */
  isRaw?: true;
  /** The member whose entries are checked one by one: a bad one fails alone. */
  recordsIn?: "records" | "ids";
  errors: readonly ErrorCode[];
  /** @throws ApiError with the violations */
  parse(exchange: AuthorizedExchange): Sent | Promise<Sent>;
}

/** What a success says: `data`, and the members of `meta` beside request_id and timestamp. */
export interface Answer {
  data: z.ZodType;
  meta: z.ZodRawShape;
}

export type SuccessStatus = 200 | 201 | 202 | 207;
export type RequestHeader = "Idempotency-Key" | "If-Match" | "If-None-Match";
export type AnswerHeader =
  | "ETag"
  | "Location"
  | "Link"
  | "X-Event-Position"
  | "Idempotent-Replayed"
  | "Content-Disposition"
  | "Cache-Control";

/** What the pipeline has read for a handler. */
export interface Given<Asked, Sent> {
  query: Asked;
  body: Sent;
  idempotency: Idempotency | undefined;
  /** The versions that `If-Match` accepts; undefined for any. */
  versions: number[] | undefined;
}

/** What a route says of itself. Nothing is optional that a client has to know: what there is not, someone typed. */
interface Contract<Asked, Sent> {
  method: Method;
  /** Below the version, with `{name}` for a parameter: `/contacts/{id}`. */
  path: string;
  /** The SDK method it becomes: `contacts.list`. */
  operation: string;
  query: Query<Asked>;
  body: Body<Sent> | null;
  /** The request headers that change what it does. */
  takes: readonly RequestHeader[];
  /** By status. A route whose answer is a file or a document has `file` or `document` in their place. */
  answers: Partial<Record<SuccessStatus, Answer>>;
  /** The content types of the file that it answers with. */
  file?: readonly string[];
  /** The JSON that it answers with as it is, where a standard says its shape and leaves no room for an envelope. */
  document?: z.ZodType;
  /** The headers that its answers may have beside those of all answers. */
  headers: readonly AnswerHeader[];
  /** The codes that are its own: those of its query, body, headers, scope and path follow from them (`errorsOf`). */
  errors: readonly ErrorCode[];
}

/** A route of which a key decides; `scope` is not optional: access without a key is a word that someone typed. */
interface ClosedRoute<Asked, Sent> extends Contract<Asked, Sent> {
  scope: Exclude<Scope, "public" | "session">;
  handler(exchange: AuthorizedExchange, given: Given<Asked, Sent>): Reply | Promise<Reply>;
}

interface PublicRoute<Asked, Sent> extends Contract<Asked, Sent> {
  scope: "public";
  handler(exchange: Exchange, given: Given<Asked, Sent>): Reply | Promise<Reply>;
}

interface SessionRoute<Asked, Sent> extends Contract<Asked, Sent> {
  scope: "session";
  handler(exchange: SignedInExchange, given: Given<Asked, Sent>): Reply | Promise<Reply>;
}

/** One line of the map of the API. */
export type Route = ClosedRoute<unknown, unknown> | SessionRoute<unknown, unknown> | PublicRoute<unknown, unknown>;

export type Handler<Asked = unknown, Sent = unknown> = ClosedRoute<Asked, Sent>["handler"];

/** A line of the map, whose handler gets what its query and body say that they read. */
export function route<Asked, Sent = null>(
  declared: ClosedRoute<Asked, Sent> | SessionRoute<Asked, Sent> | PublicRoute<Asked, Sent>,
): Route {
  return declared as Route;
}

/** What the pipeline refuses any request with. */
const ANY_ROUTE: readonly ErrorCode[] = [
  "https_required",
  "rate_limit_exceeded",
  "uri_too_long",
  "validation_error",
  "unknown_parameter",
  "internal_error",
  "service_unavailable",
];
const ANY_KEY: readonly ErrorCode[] = [
  "missing_api_key",
  "malformed_authorization",
  "invalid_api_key",
  "expired_api_key",
  "invalid_session",
  "expired_session",
  "workspace_not_found",
  "ip_not_allowed",
  "insufficient_scope",
  "user_required",
  "insufficient_role",
  "too_many_concurrent_requests",
  "test_only",
];
const BY_HEADER: Record<RequestHeader, readonly ErrorCode[]> = {
  "Idempotency-Key": ["idempotency_in_progress", "idempotency_key_reused", "idempotency_storage_full"],
  "If-Match": ["precondition_failed"],
  "If-None-Match": [],
};

/** Every code that a route may answer with. */
export function errorsOf({ scope, method, path, query, body, takes, errors }: Route): ErrorCode[] {
  return [
    ...new Set([
      ...ANY_ROUTE,
      ...(scope === "public" ? [] : ANY_KEY),
      ...(scope !== "public" && method === "GET" ? (["query_too_expensive"] as const) : []),
      ...(path.includes("{") ? (["not_found"] as const) : []),
      ...query.errors,
      ...(body?.errors ?? []),
      ...takes.flatMap((header) => BY_HEADER[header]),
      ...errors,
    ]),
  ];
}
