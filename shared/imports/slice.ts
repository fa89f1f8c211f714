import type { ImportBatch } from "../db/imports.ts";
import type { RecordData } from "../db/records.ts";
import { uuidsV7 } from "../db/uuid_v7.ts";
import { ApiError } from "../errors.ts";
import { validateRecord } from "../http/validation.ts";
import type { Resource } from "../resources/define.ts";
import { toRow } from "../resources/row.ts";
import { cellSetters, setField } from "./cells.ts";
import type { Column } from "./columns.ts";
import { readCsvRows } from "./csv_rows.ts";
import { readLines } from "./ndjson_rows.ts";
import { isStorable } from "./storable.ts";

/** Reads the rows of one import. */
export interface RowReader {
  /** At most `max` rows from the beginning of a stretch of the text; `firstRow` is the number of the first. */
  read(stretch: Uint8Array, options: { firstRow: number; isEnd: boolean; max: number }): Slice;
}

/** Some rows of an import: each is a record to write, or failed. */
export interface Slice {
  rows: number;
  /** Bytes that they are in the text. */
  length: number;
  /** Each of records of which no two are found by the same value: those that are about one record take turns. */
  batches: ImportBatch[];
  failures: { row: number; error: ReportedError }[];
  /** Why nothing behind them can be read. */
  broken?: ReportedError;
}

/** An error as it is reported of a row and of a whole import. */
export interface ReportedError {
  code: string;
  message: string;
  details: Record<string, unknown>;
}

/** A row as a body that `POST /v1/<resource>` would take, or what is wrong with it. */
type Body = Record<string, unknown> | ApiError;

export function csvReader(resource: Resource, matchBy: string, columns: readonly Column[]): RowReader {
  const setters = cellSetters(resource, columns);
  const bodyOf = (cells: string[]): Body => {
    if (cells.length !== columns.length)
      return invalid("row", `The row has ${cells.length} cells, and the header has ${columns.length}.`);
    const body: Record<string, unknown> = {};
    for (const [index, cell] of cells.entries()) {
      if (cell !== "") setters[index]?.(body, cell);
    }
    return body;
  };
  return {
    read(stretch, { firstRow, isEnd, max }) {
      const { rows, length, broken } = readCsvRows(stretch, { isEnd, max });
      // Spreadsheets leave rows of commas behind.
      const bodies = rows.filter((cells) => cells.some((cell) => cell !== "")).map(bodyOf);
      const slice = sliceOf(resource, matchBy, bodies, firstRow, length);
      if (broken === undefined) return slice;
      return { ...slice, broken: reported(invalid("content", `Row ${firstRow + bodies.length} ${broken}.`)) };
    },
  };
}

export function ndjsonReader(resource: Resource, matchBy: string, keys: Readonly<Record<string, Column>>): RowReader {
  const bodyOf = (line: string): Body => {
    const value = parsed(line);
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return new ApiError("malformed_json", { message: "The line is not a JSON object." });
    const body: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(value)) {
      const column = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (column !== undefined && column !== null) setField(body, column, member);
      else if (column === undefined && !resource.names.readOnly.includes(key)) body[key] = member;
    }
    return body;
  };
  return {
    read(stretch, { firstRow, isEnd, max }) {
      const { lines, length } = readLines(stretch, { isEnd, max });
      return sliceOf(resource, matchBy, lines.map(bodyOf), firstRow, length);
    },
  };
}

/** What is shown of an error. */
export function reported({ code, message, details }: ApiError): ReportedError {
  return { code, message, details };
}

function sliceOf(resource: Resource, matchBy: string, bodies: Body[], firstRow: number, length: number): Slice {
  const slice: Slice = { rows: bodies.length, length, batches: [], failures: [] };
  const turns = new Map<string, number>();
  const ids = uuidsV7(bodies.length);
  for (const [index, body] of bodies.entries()) {
    const row = firstRow + index;
    const fields = checked(resource, body);
    if (fields instanceof ApiError) {
      slice.failures.push({ row, error: reported(fields) });
      continue;
    }
    const record = { ...toRow(resource, fields), id: ids[index] };
    const key = matchKey(resource, matchBy, record);
    const turn = key === null ? 0 : takeTurn(turns, [key, ...withinOf(resource, matchBy, record)].join("\x1f"));
    slice.batches[turn] ??= { records: [], keys: [], numbers: [] };
    const batch = slice.batches[turn];
    batch.records.push(record);
    batch.keys.push(key);
    batch.numbers.push(row);
  }
  return slice;
}

/** How many rows before were about the same. */
function takeTurn(turns: Map<string, number>, key: string): number {
  const turn = turns.get(key) ?? 0;
  turns.set(key, turn + 1);
  return turn;
}

/** The value that a record is found by, as its column compares it. */
function matchKey(resource: Resource, matchBy: string, record: RecordData): string | null {
  const value = record[matchBy];
  if (typeof value !== "string") return null;
  return resource.fields[matchBy]?.keyColumn === undefined ? value : value.toLowerCase();
}

function withinOf(resource: Resource, matchBy: string, record: RecordData): string[] {
  return (resource.fields[matchBy]?.within ?? []).map((name) => String(record[name]));
}

function checked(resource: Resource, body: Body): Body {
  if (body instanceof ApiError) return body;
  for (const [name, value] of Object.entries(body)) {
    if (!isStorable(value)) return invalid(name, `The ${name} field has a value that can't be stored.`);
  }
  return validateRecord(resource.create, body, resource);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function invalid(at: string, sentence: string): ApiError {
  return new ApiError("validation_error", { message: sentence, details: { [at]: [sentence] } });
}
