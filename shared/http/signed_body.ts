import type { z } from "zod";
import { MAX_BODY_BYTES } from "../bounds.ts";
import { ApiError, fieldError } from "../errors.ts";
import { rateLimitExceeded } from "../middleware/limit_rate.ts";
import type { Exchange } from "./exchange.ts";
import { faultError } from "./json.ts";
import type { Body } from "./route.ts";

/**
 * JSON that GitHub's secret scanning has signed, of which nothing is read before that is sure. What it must be is said in one
 * sentence that quotes nothing of it: it is about keys.
 */
export function signedBody<Schema extends z.ZodType>(schema: Schema, mustBe: string): Body<z.output<Schema>> {
  return {
    schema,
    maxBytes: MAX_BODY_BYTES,
    isRaw: true,
    errors: ["invalid_signature", "malformed_json", "payload_too_large", "unsupported_media_type", "request_timeout"],
    async parse(exchange) {
      const bytes = exchange.body as Uint8Array;
      await requireSignature(exchange, bytes);
      const value = parseJson(bytes);
      const fault = faultError(value, "body");
      if (fault !== undefined) throw fault;
      const parsed = schema.safeParse(value);
      if (!parsed.success) throw fieldError("validation_error", "body", `The body ${mustBe}.`);
      return parsed.data;
    },
  };
}

/** Who sends what GitHub did not sign is counted as who guesses keys is. */
async function requireSignature(exchange: Exchange, bytes: Uint8Array): Promise<void> {
  const { services, request, address } = exchange;
  const identifier = request.headers.get("github-public-key-identifier") ?? "";
  const signature = request.headers.get("github-public-key-signature") ?? "";
  const isPresent = identifier !== "" && signature !== "";
  if (isPresent && (await services.isSignedReport(bytes, { identifier, signature }))) return;
  const decision = services.addressLimiter.takeLocally(address);
  exchange.decision = decision;
  throw decision.allowed ? new ApiError("invalid_signature") : rateLimitExceeded(decision);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new ApiError("malformed_json");
  }
}
