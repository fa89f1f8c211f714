import { unavailable } from "../db/sql_errors.ts";
import { ApiError } from "../errors.ts";
import { rateHeaders } from "../limits/headers.ts";
import type { Exchange, Reply, StreamedFile } from "./exchange.ts";
import { forwardedProtocol } from "./forwarded.ts";
import { versionHeaders } from "./versions.ts";

const EXPOSED_HEADERS = [
  "X-Request-Id",
  "X-API-Version",
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "ETag",
  "Location",
  "Content-Disposition",
  "Idempotent-Replayed",
  "Deprecation",
  "Sunset",
  "Link",
  "X-Event-Position",
].join(", ");

/** The success envelope, or what stands in its place. A replayed answer carries the request id and time of the first. */
export function success(
  exchange: Exchange,
  { status = 200, data, meta, headers = {}, file, document }: Reply,
): Response {
  if (file !== undefined) return streamed(exchange, file, headers);
  if (document !== undefined) return json(exchange, status, document, headers);
  const complete = { request_id: exchange.requestId, timestamp: timestamp(exchange.receivedAt), ...meta };
  return json(
    exchange,
    status,
    { success: true, data, meta: complete },
    { ...headers, "X-Request-Id": complete.request_id },
  );
}

/** A file in the place of the envelope, with the headers that every answer has. */
function streamed(exchange: Exchange, { name, type, body }: StreamedFile, headers: Record<string, string>): Response {
  return new Response(body, {
    headers: {
      ...standardHeaders(exchange),
      "Content-Type": type,
      "Content-Disposition": `attachment; filename="${name}"`,
      ...headers,
    },
  });
}

/** The error envelope; anything that isn't an ApiError is a 500 that says nothing but the request id. */
export function failure(exchange: Exchange, thrown: unknown): Response {
  const error = asApiError(thrown);
  const { requestId, receivedAt, services } = exchange;
  if (error.status >= 500) {
    services.log("error", "request_failed", { request_id: requestId, code: error.code, cause: describe(error.cause) });
  }
  return json(
    exchange,
    error.status,
    {
      success: false,
      error: { code: error.code, message: error.message, details: error.details },
      meta: { request_id: requestId, timestamp: timestamp(receivedAt) },
    },
    { ...(error.status === 401 && { "WWW-Authenticate": "Bearer" }), ...error.headers },
  );
}

/** An answer without a body: 204, 301, 304. */
export function bodiless(exchange: Exchange, status: 204 | 301 | 304, headers: Record<string, string>): Response {
  return new Response(null, { status, headers: { ...standardHeaders(exchange), ...headers } });
}

function json(exchange: Exchange, status: number, body: unknown, headers: Record<string, string>): Response {
  const text = JSON.stringify(body);
  return new Response(text, {
    status,
    headers: {
      ...standardHeaders(exchange),
      "Content-Type": "application/json; charset=utf-8",
      ...lengthOf(exchange, text),
      ...headers,
      ...linksOf(exchange, headers),
    },
  });
}

// Two links are one header (RFC 8288 §3): to the next page, and to what is said of a deprecated version.
function linksOf({ version }: Exchange, { Link }: Record<string, string>): Record<string, string> {
  const { Link: notice } = versionHeaders(version);
  return Link !== undefined && notice !== undefined ? { Link: `${Link}, ${notice}` } : {};
}

// The body of an answer to HEAD is dropped, and its length with it, unless it is said (RFC 9110 §8.6).
function lengthOf({ request }: Exchange, text: string): Record<string, string> {
  return request.method === "HEAD" ? { "Content-Length": String(new TextEncoder().encode(text).length) } : {};
}

/** What every answer carries, whatever it is. */
function standardHeaders(exchange: Exchange): Record<string, string> {
  const { services, request, requestId, version, address, decision } = exchange;
  return {
    "X-Request-Id": requestId,
    ...versionHeaders(version),
    "Cache-Control": "private, no-cache",
    Vary: "Authorization, X-Workspace-Id",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": EXPOSED_HEADERS,
    ...(isHttps(request) && { "Strict-Transport-Security": "max-age=31536000; includeSubDomains" }),
    ...rateHeaders(decision ?? services.addressLimiter.peek(address), Math.floor(Date.now() / 1000)),
  };
}

/** Whether the client came by https, as the proxy that ended its TLS says. */
function isHttps(request: Request): boolean {
  return forwardedProtocol(request) === "https";
}

/** RFC 3339 in UTC, to the second as published. */
function timestamp(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (thrown instanceof TypeError && thrown.message.includes("fetch")) return unavailable(describe(thrown));
  return new ApiError("internal_error", { cause: thrown });
}

/** A cause for the log: where it happened, but no message of a library, which may quote values or a whole command. */
function describe(cause: unknown): unknown {
  if (cause instanceof Error)
    return {
      name: cause.name,
      at: cause.stack
        ?.split("\n")
        .find((line) => line.includes(" at "))
        ?.trim(),
    };
  return cause;
}
