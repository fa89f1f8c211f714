import { Buffer } from "node:buffer";

const LINE_FEED = 10;

/** The whole lines at the beginning of a text, at most `max` that are not blank; which they are, from 1; and what they take. */
export function readLines(
  bytes: Uint8Array,
  { isEnd, max }: { isEnd: boolean; max: number },
): { rows: string[]; lineOf: number[]; lines: number; length: number } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows: string[] = [];
  const lineOf: number[] = [];
  let lines = 0;
  let length = 0;
  while (rows.length < max && length < text.length) {
    const lineFeed = text.indexOf(LINE_FEED, length);
    if (lineFeed === -1 && !isEnd) break;
    const end = lineFeed === -1 ? text.length : lineFeed;
    const line = text.toString("utf8", length, end).trim();
    lines += 1;
    if (line !== "") {
      rows.push(line);
      lineOf.push(lines);
    }
    length = lineFeed === -1 ? end : end + 1;
  }
  return { rows, lineOf, lines, length };
}
