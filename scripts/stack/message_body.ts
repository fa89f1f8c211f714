import { MalformedMessage, type MessageHead } from "./message_connection.ts";

const MAX_LINE_BYTES = 32 * 1024;
const LINE_FEED = 10;

/** Where a body ends: how many of these bytes still belong to it, and whether it ends there. */
export type BodyEnd = (bytes: Uint8Array) => { length: number; isEnd: boolean };

/** How the body after a request's head ends. */
export function requestBodyEnd(head: MessageHead): BodyEnd {
  return declaredBodyEnd(head) ?? noBody;
}

/** How the body after an answer's head ends; "close" when only the connection's end tells. */
export function answerBodyEnd(head: MessageHead, status: number, method: string): BodyEnd | "close" {
  if (method === "HEAD" || status === 204 || status === 304) return noBody;
  return declaredBodyEnd(head) ?? "close";
}

function declaredBodyEnd(head: MessageHead): BodyEnd | undefined {
  const encoding = head.value("transfer-encoding");
  const length = head.value("content-length");
  if (encoding !== undefined) {
    if (length !== undefined || encoding.toLowerCase() !== "chunked")
      throw new MalformedMessage("the body's length is ambiguous");
    return chunkedBody();
  }
  if (length === undefined) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw new MalformedMessage("the content-length is not a number");
  return sizedBody(Number(length));
}

function noBody(): { length: number; isEnd: boolean } {
  return { length: 0, isEnd: true };
}

function sizedBody(byteLength: number): BodyEnd {
  let rest = byteLength;
  return (bytes) => {
    const length = Math.min(rest, bytes.length);
    rest -= length;
    return { length, isEnd: rest === 0 };
  };
}

/** Follows the chunks to their end: size line, data and line break, until a size of 0, then trailers until a blank line. */
function chunkedBody(): BodyEnd {
  let state: "size" | "data" | "trailer" = "size";
  let line = "";
  let rest = 0; // of the chunk's data and the line break behind it
  return (bytes) => {
    let i = 0;
    while (i < bytes.length) {
      if (state === "data") {
        const step = Math.min(rest, bytes.length - i);
        i += step;
        rest -= step;
        if (rest === 0) state = "size";
        continue;
      }
      const byte = bytes[i++] ?? 0;
      if (byte !== LINE_FEED) {
        line += String.fromCharCode(byte);
        if (line.length > MAX_LINE_BYTES) throw new MalformedMessage("a chunk's line is too long");
        continue;
      }
      const text = line.trim();
      line = "";
      if (state === "trailer") {
        if (text === "") return { length: i, isEnd: true };
        continue;
      }
      if (!/^[0-9a-f]{1,12}\s*(;|$)/i.test(text)) throw new MalformedMessage("a chunk has no size");
      rest = Number.parseInt(text, 16) + 2;
      state = rest === 2 ? "trailer" : "data";
    }
    return { length: i, isEnd: false };
  };
}
