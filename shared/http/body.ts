import { Buffer } from "node:buffer";
import { MAX_BODY_DEPTH } from "../bounds.ts";
import { ApiError } from "../errors.ts";
import { isSuspicious, isTooDeep, parseJson } from "./json.ts";
import { faultError } from "./validation.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The JSON object that a request carries, as text and parsed. To a POST no body at all is an empty object,
 * for the actions that need none. What is below `recordsIn` is left to whoever reads the records one by one.
 * @throws ApiError of the 400 family for another content type or coding, size, syntax, depth, or values that
 * can't be kept as they are.
 */
export async function readJsonBody(
  request: Request,
  { maxBodyBytes: maxBytes, recordsIn }: { maxBodyBytes: number; recordsIn?: string },
): Promise<{ text: string; value: Record<string, unknown> }> {
  const coding = request.headers.get("content-encoding")?.trim().toLowerCase();
  if (coding !== undefined && coding !== "" && coding !== "identity") {
    throw new ApiError("unsupported_media_type", {
      message: "The request body must not be compressed. Send it without Content-Encoding.",
      headers: { "Accept-Encoding": "identity" },
    });
  }
  const bytes = await readBytes(request, maxBytes);
  if (bytes.byteLength === 0 && request.method === "POST") return { text: "", value: {} };
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new ApiError("unsupported_media_type");

  const text = decode(bytes);
  const suspicious = isSuspicious(text);
  const value = parse(text, suspicious);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ApiError("malformed_json", { message: "The request body must be a JSON object." });
  }
  if (isTooDeep(value)) {
    throw new ApiError("malformed_json", {
      message: `The request body is nested deeper than ${MAX_BODY_DEPTH} levels.`,
    });
  }
  if (suspicious) {
    // The records of a bulk request answer each for itself.
    const fault = faultError(recordsIn === undefined ? value : { ...value, [recordsIn]: null }, "body");
    if (fault !== undefined) throw fault;
  }
  return { text, value: value as Record<string, unknown> };
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new ApiError("payload_too_large", { details: { max_bytes: maxBytes } });
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Counted while it arrives: a chunked body announces no length, and a header may lie.
  for await (const chunk of request.body) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ApiError("malformed_json", { message: "The request body is not valid UTF-8." });
  }
}

function parse(text: string, suspicious: boolean): unknown {
  try {
    return parseJson(text, suspicious);
  } catch (error) {
    throw malformed(text, error);
  }
}

/** Where JSON breaks off, as an editor counts: from line 1 and column 1. */
function malformed(text: string, error: unknown): ApiError {
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
  const before = text.slice(0, position === undefined ? text.length : Number(position));
  const line = before.split("\n").length;
  const column = before.length - before.lastIndexOf("\n");
  return new ApiError("malformed_json", {
    message: `The request body is not valid JSON. The error is in line ${line}, at character ${column}.`,
    details: { line, column },
  });
}
