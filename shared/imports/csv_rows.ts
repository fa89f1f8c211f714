import { Buffer } from "node:buffer";
import { CsvError, type Options, parse } from "csv-parse/sync";

/** The cells of a row, or why it can't be read. */
export type CsvRow = string[] | { problem: string };

/** The whole rows at the beginning of a CSV. */
export interface CsvRows {
  rows: CsvRow[];
  /** The line in which each begins, from 1. */
  lineOf: number[];
  /** Lines and bytes up to the end of the last of them. */
  lines: number;
  length: number;
}

/** What may stand between cells; a file has one of them. */
export const DELIMITERS = [",", ";", "\t", "|"] as const;
export type Delimiter = (typeof DELIMITERS)[number];

const [LINE_FEED, CARRIAGE_RETURN] = [10, 13];

const OPTIONS: Options = {
  record_delimiter: ["\r\n", "\n", "\r"],
  relax_column_count: true,
  relax_quotes: true, // A quote inside a cell that is not quoted is one, as spreadsheets read it.
  skip_empty_lines: true,
  trim: true,
};

/**
 * At most `max` rows. Where the text goes on behind the bytes, the last row may be half of one, and is left, unless
 * `isLong` says that it is longer than any may be. A row that can't be read ends with its line: those behind it can.
 */
export function readCsvRows(
  bytes: Uint8Array,
  { isEnd, isLong = false, max, delimiter }: { isEnd: boolean; isLong?: boolean; max: number; delimiter: Delimiter },
): CsvRows {
  const read: CsvRows = { rows: [], lineOf: [], lines: 0, length: 0 };
  let before = { lines: 0, length: 0 };
  while (read.rows.length < max) {
    const { lines: linesBefore, length: lengthBefore } = read;
    let counted = linesBefore;
    const take = (row: string[], { bytes, lines }: { bytes: number; lines: number }) => {
      // Lines are counted where a row ends, one whose cells have line breaks began before, and CRLF in a cell is two.
      const breaks = row.flatMap((cell) => cell.match(/\r\n|\r|\n/g) ?? []);
      counted -= breaks.filter((end) => end.length === 2).length;
      before = { lines: read.lines, length: read.length };
      read.lineOf.push(counted + lines - breaks.length);
      read.rows.push(row);
      read.lines = counted + lines;
      read.length = lengthBefore + bytes;
      return null;
    };
    const code = problemOf(bytes.subarray(lengthBefore), {
      ...OPTIONS,
      delimiter,
      to: max - read.rows.length,
      on_record: take,
    });
    if (code === undefined) break;
    const isOpen = code === "CSV_QUOTE_NOT_CLOSED";
    if (isOpen && !isEnd && !isLong) break;
    skipBlankLines(bytes, read);
    const end = endOfLine(bytes, read.length);
    if (end === undefined && !isEnd) break;
    before = { lines: read.lines, length: read.length };
    read.rows.push({
      problem: isOpen ? "has a quoted cell that is not closed" : "has text behind the closing quote of a cell",
    });
    read.lines += 1;
    read.lineOf.push(read.lines);
    read.length = end ?? bytes.length;
  }
  if (isEnd) return read.rows.length < max ? { ...read, length: bytes.length } : read;
  if (read.length < bytes.length) return read;
  return { ...read, ...before, rows: read.rows.slice(0, -1), lineOf: read.lineOf.slice(0, -1) };
}

/** Where the line behind the one at a position begins; undefined when that is not at hand. */
function endOfLine(bytes: Uint8Array, from: number): number | undefined {
  const at = bytes.subarray(from).findIndex((byte) => byte === LINE_FEED || byte === CARRIAGE_RETURN);
  if (at === -1) return undefined;
  const end = from + at + 1;
  return bytes[end - 1] === CARRIAGE_RETURN && bytes[end] === LINE_FEED ? end + 1 : end;
}

function skipBlankLines(bytes: Uint8Array, read: CsvRows): void {
  for (let end = endOfLine(bytes, read.length); end !== undefined; end = endOfLine(bytes, read.length)) {
    if (bytes.subarray(read.length, end).some((byte) => byte !== LINE_FEED && byte !== CARRIAGE_RETURN)) return;
    read.length = end;
    read.lines += 1;
  }
}

/** Parses as far as it can; the code of what ended it. */
function problemOf(bytes: Uint8Array, options: object): string | undefined {
  try {
    parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), options as Options);
    return undefined;
  } catch (error) {
    if (error instanceof CsvError) return error.code;
    throw error;
  }
}

/** The delimiter of a header: the one that stands in it most often outside quotes. */
export function findDelimiter(header: string): Delimiter {
  const bare = header.replace(/"[^"]*"/g, "");
  const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length - 1);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ",";
}
