import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type ApiError, fieldError } from "../errors.ts";

/** What a cursor belongs to; it is refused anywhere else. */
export interface CursorScope {
  workspace: string;
  resource: string;
  /** Canonical sort, see `sortText`. */
  sort: string;
  /** Canonical text of all filters and the search. */
  filter: string;
}

/** What the first page of a walk says of the moment that it began at, and the others after it. */
export interface Beginning {
  /** The newest position of the feed. */
  event_position: number;
  /** Up to when all stamps were seen, RFC 3339; absent where nothing asks for it. */
  updated_through?: string;
}

/** Where a page ended. */
export interface Position {
  /** The sort values of the last row as Postgres prints them; null for null. */
  values: (string | null)[];
  /** The total that the first page counted, where counting is dear. */
  total: number | null;
  /** When it counted it, RFC 3339. */
  totalAsOf?: string;
  beginning?: Beginning | undefined;
}

interface Payload {
  w: string;
  r: string;
  s: string;
  f: string;
  v: (string | null)[];
  t: number | null;
  a?: string;
  b?: Beginning;
}

const MAC_BYTES = 16;

/** Opaque, signed, without expiry: base64url of 16 bytes of HMAC-SHA256 and the JSON they cover. */
export function encodeCursor(secret: string, scope: CursorScope, position: Position): string {
  const payload: Payload = {
    w: digest(scope.workspace),
    r: scope.resource,
    s: scope.sort,
    f: digest(scope.filter),
    v: position.values,
    t: position.total,
    ...(position.totalAsOf !== undefined && { a: position.totalAsOf }),
    ...(position.beginning !== undefined && { b: position.beginning }),
  };
  const body = Buffer.from(JSON.stringify(payload));
  return Buffer.concat([mac(secret, body), body]).toString("base64url");
}

/**
 * @throws ApiError `invalid_cursor`, saying which of workspace, resource, sort or filters differs, or
 * that the cursor was altered.
 */
export function decodeCursor(secret: string, scope: CursorScope, cursor: string): Position {
  const bytes = Buffer.from(cursor, "base64url");
  const body = bytes.subarray(MAC_BYTES);
  const authentic =
    bytes.length > MAC_BYTES &&
    bytes.toString("base64url") === cursor &&
    timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(secret, body));
  if (!authentic) throw invalid("The cursor was altered or cut off. Use meta.next_cursor exactly as it was given.");

  const payload = JSON.parse(body.toString()) as Payload;
  if (payload.w !== digest(scope.workspace)) throw invalid("The cursor belongs to another workspace.");
  if (payload.r !== scope.resource) throw invalid(`The cursor belongs to another resource: ${payload.r}.`);
  if (payload.s !== scope.sort)
    throw invalid(`The cursor belongs to another sort: ${payload.s}. Send the same sort on every page.`);
  if (payload.f !== digest(scope.filter))
    throw invalid("The cursor belongs to other filters. Send the same filters on every page.");
  const { v: values, t: total, a: totalAsOf, b: beginning } = payload;
  return { values, total, ...(totalAsOf !== undefined && { totalAsOf }), ...(beginning && { beginning }) };
}

function mac(secret: string, body: Uint8Array): Buffer {
  return createHmac("sha256", secret).update(body).digest().subarray(0, MAC_BYTES);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 11);
}

function invalid(sentence: string): ApiError {
  return fieldError("invalid_cursor", "cursor", sentence);
}
