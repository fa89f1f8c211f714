import { MAX_URL_BYTES } from "../bounds.ts";
import { ApiError, fieldError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";

/** A query that is too long, or whose escapes are no UTF-8: it would be read as something that nobody asked for. */
export function requireUrl({ url }: Exchange): void {
  const { pathname, search } = url;
  if (pathname.length + search.length > MAX_URL_BYTES)
    throw new ApiError("uri_too_long", { details: { max_bytes: MAX_URL_BYTES } });
  try {
    decodeURIComponent(search);
  } catch {
    const sentence = "The query has an escape that is not valid: write % as %25, and other characters as UTF-8.";
    throw fieldError("validation_error", "query", sentence);
  }
}
