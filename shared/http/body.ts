import { Buffer } from "node:buffer";
import { MAX_BODY_DEPTH, MAX_BODY_MS, MAX_BODY_PAUSE_MS, MAX_BODY_VALUES } from "../bounds.ts";
import { ApiError } from "../errors.ts";
import type { Upload } from "./body_places.ts";
import { faultError, type JsonSurvey, parseJson, surveyJson } from "./json.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The bytes of a request's body.
 * @throws ApiError for a content coding, more than `maxBytes`, or a body that does not come in time.
 */
export async function receiveBody(request: Request, maxBytes: number, upload: Upload): Promise<Uint8Array> {
  const coding = request.headers.get("content-encoding")?.trim().toLowerCase();
  if (coding !== undefined && coding !== "" && coding !== "identity") {
    throw new ApiError("unsupported_media_type", {
      message: "The request body must not be compressed. Send it without Content-Encoding.",
      headers: { "Accept-Encoding": "identity" },
    });
  }
  const tooLarge = () => new ApiError("payload_too_large", { details: { max_bytes: maxBytes } });
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  const endsAt = Date.now() + MAX_BODY_MS;
  let length = 0;
  for (;;) {
    const { done, value } = await nextChunk(reader, Math.min(MAX_BODY_PAUSE_MS, endsAt - Date.now()));
    if (done) break;
    // Counted while it arrives: a chunked body announces no length, and a header may lie.
    length += value.byteLength;
    if (length > maxBytes) throw tooLarge();
    await upload.arrived(value.byteLength);
    chunks.push(value);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}

async function nextChunk<Chunk>(
  reader: { read(): Promise<Chunk>; cancel(): Promise<void> },
  milliseconds: number,
): Promise<Chunk> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new ApiError("request_timeout")); // First: cancelling ends the read, as if the body were whole.
      reader.cancel().catch(() => {});
    }, milliseconds);
  });
  try {
    return await Promise.race([reader.read(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The JSON object that a request carries, as text and parsed. To a POST no body at all is an empty object,
 * for the actions that need none. What is below `recordsIn` is left to whoever reads the records one by one.
 * Each step after the first waits for its `turn`.
 * @throws ApiError of the 400 family for another content type, syntax, depth, or values that can't be kept as they are.
 */
export async function parseJsonBody(
  request: Request,
  bytes: Uint8Array,
  turn: () => Promise<void>,
  recordsIn?: string,
): Promise<{ text: string; value: Record<string, unknown>; isSuspicious: boolean }> {
  if (bytes.byteLength === 0 && request.method === "POST") return { text: "", value: {}, isSuspicious: false };
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new ApiError("unsupported_media_type");

  const text = decode(bytes);
  await turn();
  const survey = surveyJson(text);
  if (survey.values > MAX_BODY_VALUES) {
    throw new ApiError("payload_too_large", {
      message: `The request body has more than ${MAX_BODY_VALUES.toLocaleString("en-US")} values. Send it in smaller parts.`,
      details: { max_values: MAX_BODY_VALUES },
    });
  }
  await turn();
  const value = parse(text, survey);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ApiError("malformed_json", { message: "The request body must be a JSON object." });
  }
  if (survey.depth > MAX_BODY_DEPTH) {
    throw new ApiError("malformed_json", {
      message: `The request body is nested deeper than ${MAX_BODY_DEPTH} levels.`,
    });
  }
  if (survey.isSuspicious) {
    await turn();
    // The records of a bulk request answer each for itself.
    const fault = faultError(recordsIn === undefined ? value : { ...value, [recordsIn]: null }, "body");
    if (fault !== undefined) throw fault;
  }
  await turn();
  return { text, value: value as Record<string, unknown>, isSuspicious: survey.isSuspicious };
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ApiError("malformed_json", { message: "The request body is not valid UTF-8." });
  }
}

function parse(text: string, survey: JsonSurvey): unknown {
  try {
    return parseJson(text, survey);
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
