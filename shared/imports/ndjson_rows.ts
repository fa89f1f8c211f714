import { Buffer } from "node:buffer";

const LINE_FEED = 10;

/** The whole lines at the beginning of a stretch, at most `max` that are not blank, and the bytes up to their end. */
export function readLines(
  stretch: Uint8Array,
  { isEnd, max }: { isEnd: boolean; max: number },
): { lines: string[]; length: number } {
  const text = Buffer.from(stretch.buffer, stretch.byteOffset, stretch.byteLength);
  const lines: string[] = [];
  let length = 0;
  while (lines.length < max && length < text.length) {
    const lineFeed = text.indexOf(LINE_FEED, length);
    if (lineFeed === -1 && !isEnd) break;
    const end = lineFeed === -1 ? text.length : lineFeed;
    const line = text.toString("utf8", length, end).trim();
    if (line !== "") lines.push(line);
    length = lineFeed === -1 ? end : end + 1;
  }
  return { lines, length };
}
