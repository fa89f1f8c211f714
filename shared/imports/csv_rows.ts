import { Buffer } from "node:buffer";
import { CsvError, type Options, parse } from "csv-parse/sync";

/** The whole rows at the beginning of a stretch of CSV. */
export interface CsvRows {
  /** Their cells; null for a row that can't be read. */
  rows: (string[] | null)[];
  /** The line in which each begins, from 1. */
  lineOf: number[];
  /** Lines and bytes up to the end of the last of them. */
  lines: number;
  length: number;
  /** What is wrong with the row after them, when nothing from there on can be read. */
  broken?: string;
}

/** What may stand between cells; a file has one of them. */
export const DELIMITERS = [",", ";", "\t", "|"] as const;
export type Delimiter = (typeof DELIMITERS)[number];

const LINE_FEED = 10;

const OPTIONS: Options = {
  record_delimiter: ["\r\n", "\n", "\r"],
  relax_column_count: true,
  relax_quotes: true, // A quote inside a cell that is not quoted is one, as spreadsheets read it.
  skip_empty_lines: true,
  trim: true,
};

/** At most `max` rows. Where the text goes on behind the stretch, the last row may be half of one, and is left. */
export function readCsvRows(
  stretch: Uint8Array,
  { isEnd, max, delimiter }: { isEnd: boolean; max: number; delimiter: Delimiter },
): CsvRows {
  const read: CsvRows = { rows: [], lineOf: [], lines: 0, length: 0 };
  let before = { lines: 0, length: 0 };
  while (read.rows.length < max) {
    const { lines: linesBefore, length: lengthBefore } = read;
    const take = (row: string[], { bytes, lines }: { bytes: number; lines: number }) => {
      // Lines are counted where a row ends: one whose cells have line breaks began before.
      const breaks = row.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
      before = { lines: read.lines, length: read.length };
      read.lineOf.push(Math.max(linesBefore + lines - breaks, read.lines + 1));
      read.rows.push(row);
      read.lines = linesBefore + lines;
      read.length = lengthBefore + bytes;
      return null;
    };
    const problem = problemOf(stretch.subarray(lengthBefore), {
      ...OPTIONS,
      delimiter,
      to: max - read.rows.length,
      on_record: take,
    });
    if (problem === undefined) break;
    if (problem === "CSV_QUOTE_NOT_CLOSED") {
      if (isEnd) read.broken = "has a quoted cell that is not closed";
      break;
    }
    // Text behind a closing quote: that row alone can't be read.
    const lineEnd = stretch.indexOf(LINE_FEED, read.length);
    if (lineEnd === -1 && !isEnd) break;
    before = { lines: read.lines, length: read.length };
    read.rows.push(null);
    read.lines += 1;
    read.lineOf.push(read.lines);
    read.length = lineEnd === -1 ? stretch.length : lineEnd + 1;
  }
  if (read.broken !== undefined) return read;
  if (isEnd) return read.rows.length < max ? { ...read, length: stretch.length } : read;
  if (read.length < stretch.length) return read;
  return { ...read, ...before, rows: read.rows.slice(0, -1), lineOf: read.lineOf.slice(0, -1) };
}

/** Parses as far as it can; the code of what ended it. */
function problemOf(stretch: Uint8Array, options: object): string | undefined {
  try {
    parse(Buffer.from(stretch.buffer, stretch.byteOffset, stretch.byteLength), options as Options);
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
