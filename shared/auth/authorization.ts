import { ApiError } from "../errors.ts";
import { isWellFormedApiKey } from "./key_format.ts";

/** What an Authorization header holds: an API key of ours, or a Supabase Auth access token. */
export type Credential = { kind: "api_key"; key: string } | { kind: "session"; token: string };

/** What a user says of themselves is in it; gateways pass headers of about twice as much. */
const MAX_TOKEN_LENGTH = 8192;

/**
 * Reads the header without any I/O.
 * @throws ApiError `missing_api_key`, `malformed_authorization` (saying what is wrong), `invalid_api_key` when the checksum
 * cannot be that of an issued key, `invalid_session` for what is too long to be a token.
 */
export function parseAuthorization(header: string | null): Credential {
  if (header === null || header === "") throw new ApiError("missing_api_key");
  const [, scheme = "", gap = "", token = ""] = /^(\S+)(\s*)(.*)$/s.exec(header) ?? [];
  if (scheme.toLowerCase() !== "bearer") {
    if (/^(anx_|eyJ)/.test(header))
      throw malformed("The Authorization header has the bare key. Send: Authorization: Bearer YOUR_API_KEY.");
    throw malformed(
      `The Authorization header uses another scheme than Bearer. Send: Authorization: Bearer YOUR_API_KEY.`,
    );
  }
  if (token === "") throw malformed("The Authorization header has no key after Bearer.");
  if (gap !== " " || /\s/.test(token))
    throw malformed(
      "The Authorization header has extra white space. Put exactly one space between Bearer and the key.",
    );
  if (isWellFormedApiKey(token)) return { kind: "api_key", key: token };
  // No key has a dot in it, and each token has; what else is wrong with one, the look at its signature tells.
  if (!token.includes(".")) throw new ApiError("invalid_api_key");
  if (token.length > MAX_TOKEN_LENGTH) throw new ApiError("invalid_session");
  return { kind: "session", token };
}

function malformed(message: string): ApiError {
  return new ApiError("malformed_authorization", { message });
}
