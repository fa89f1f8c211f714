import { Buffer } from "node:buffer";
import { ApiError } from "../errors.ts";

export const MAX_BODY_BYTES = 1024 * 1024;
export const MAX_BULK_BODY_BYTES = 5 * 1024 * 1024;
const MAX_DEPTH = 32;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The JSON object that a request carries, as text and parsed. To a POST no body at all is an empty object,
 * for the actions that need none.
 * @throws ApiError of the 400 family for another content type, size, syntax, depth or text that no
 * database can hold.
 */
export async function readJsonBody(
  request: Request,
  maxBytes: number,
): Promise<{ text: string; value: Record<string, unknown> }> {
  const bytes = await readBytes(request, maxBytes);
  if (bytes.byteLength === 0 && request.method === "POST") return { text: "", value: {} };
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new ApiError("unsupported_media_type");

  const text = decode(bytes);
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ApiError("malformed_json", { message: "The request body must be a JSON object." });
  }
  checkValues(value, "", 1);
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const where = position === undefined ? "" : ` The error is near character ${position}.`;
    throw new ApiError("malformed_json", { message: `The request body is not valid JSON.${where}` });
  }
}

function checkValues(value: unknown, path: string, depth: number): void {
  if (typeof value === "string") checkText(value, path);
  if (typeof value !== "object" || value === null) return;
  if (depth > MAX_DEPTH)
    throw new ApiError("malformed_json", { message: `The request body is nested deeper than ${MAX_DEPTH} levels.` });
  for (const [name, member] of Object.entries(value)) {
    checkText(name, path);
    checkValues(member, path === "" ? name : `${path}.${name}`, depth + 1);
  }
}

// Postgres text holds neither NUL nor half a surrogate pair.
function checkText(text: string, path: string): void {
  if (text.includes("\0") || !text.isWellFormed()) {
    const sentence = `The ${path || "body"} field has a character that is not allowed.`;
    throw new ApiError("validation_error", { message: sentence, details: { [path || "body"]: [sentence] } });
  }
}
