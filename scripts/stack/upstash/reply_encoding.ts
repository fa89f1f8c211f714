import { Buffer } from "node:buffer";
import type { Reply } from "./backend.ts";

/**
 * A Redis reply as the JSON that Upstash sends. With `base64` (header `Upstash-Encoding: base64`) every string except
 * `OK` is encoded, in nested arrays too, and numbers and null stay as they are.
 */
export function encodeReply(reply: Reply, base64: boolean): unknown {
  if (Array.isArray(reply)) return reply.map((element) => encodeReply(element, base64));
  if (typeof reply === "string") return base64 && reply !== "OK" ? Buffer.from(reply).toString("base64") : reply;
  if (!Buffer.isBuffer(reply)) return reply ?? null;
  const isOk = reply.length === 2 && reply[0] === 0x4f && reply[1] === 0x4b;
  return base64 && !isOk ? reply.toString("base64") : reply.toString();
}
