import { Buffer } from "node:buffer";
import { CsvError, type Options, parse } from "csv-parse/sync";

/** The whole rows at the beginning of a stretch of CSV. */
export interface CsvRows {
  rows: string[][];
  /** Bytes up to the end of the last of them. */
  length: number;
  /** What is wrong with the row after them, when that can't be read. */
  broken?: string;
}

const OPTIONS: Options = {
  record_delimiter: ["\r\n", "\n", "\r"],
  relax_column_count: true,
  skip_empty_lines: true,
  trim: true,
};

const SENTENCES: Record<string, string> = {
  CSV_QUOTE_NOT_CLOSED: "has a quoted cell that is not closed",
  CSV_INVALID_CLOSING_QUOTE: "has a quote inside a quoted cell that is not doubled",
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: "has text after a quoted cell",
  INVALID_OPENING_QUOTE: "has a quote inside a cell that is not quoted",
};

/** At most `max` rows. Where the text goes on behind the stretch, the last row may be half of one, and is left. */
export function readCsvRows(stretch: Uint8Array, { isEnd, max }: { isEnd: boolean; max: number }): CsvRows {
  const rows: string[][] = [];
  let length = 0;
  let lengthBefore = 0;
  const take = (row: string[], { bytes }: { bytes: number }) => {
    rows.push(row);
    lengthBefore = length;
    length = bytes;
    return null;
  };
  let broken: string | undefined;
  try {
    parse(Buffer.from(stretch.buffer, stretch.byteOffset, stretch.byteLength), {
      ...OPTIONS,
      to: max,
      on_record: take,
    } as Options);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    if (isEnd || error.code !== "CSV_QUOTE_NOT_CLOSED") broken = SENTENCES[error.code] ?? "is not valid CSV";
  }
  if (broken !== undefined) return { rows, length, broken };
  if (isEnd) return { rows, length: rows.length < max ? stretch.length : length };
  if (length < stretch.length) return { rows, length };
  return { rows: rows.slice(0, -1), length: lengthBefore };
}
