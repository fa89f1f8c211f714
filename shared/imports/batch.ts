import { MAX_BODY_DEPTH, MAX_GIVEN_CELLS, MAX_QUOTED } from "../bounds.ts";
import type { RowFailure, Written } from "../db/long_work.ts";
import { uuidsV7 } from "../db/uuid_v7.ts";
import { ApiError, fieldError, type ReportedError, reported } from "../errors.ts";
import { faultError, parseJson, surveyJson } from "../http/json.ts";
import { validateRecord } from "../query/validation.ts";
import type { Resource } from "../resources/define.ts";
import { toRow } from "../resources/row.ts";
import { cellSetters, setField } from "./cells.ts";
import { type Column, type CsvColumns, targetOf } from "./columns.ts";
import { type CsvRow, readCsvRows } from "./csv_rows.ts";
import { readLines } from "./ndjson_rows.ts";

/** Reads the rows of one import. */
export interface RowReader {
  /** At most `max` rows from the beginning of some bytes of the text. */
  read(bytes: Uint8Array, options: ReadOptions): Batch;
}

interface ReadOptions {
  /** The number of the first row, and how many lines of the text are before it. */
  firstRow: number;
  linesBefore: number;
  isEnd: boolean;
  /** Whether a row that does not end here is longer than any may be. */
  isLong?: boolean;
  max: number;
}

/** The rows of an import that one transaction writes: each is a record, or failed. */
export interface Batch {
  rows: number;
  /** Bytes and lines that they are in the text. */
  length: number;
  lines: number;
  written: Written;
  failures: RowFailure[];
  /** Why nothing behind them can be read. */
  broken?: ReportedError;
}

/** A row as a body that `POST /v1/<resource>` would take, or what is wrong with it. */
type Body = Record<string, unknown> | ApiError;

export function csvReader(resource: Resource, { delimiter, columns }: CsvColumns): RowReader {
  const setters = cellSetters(resource, columns);
  const bodyOf = (cells: CsvRow): Body => {
    if (!Array.isArray(cells)) return fieldError("validation_error", "row", `The row ${cells.problem}.`);
    const filled = cells.length > columns.length ? cells.slice(columns.length).some((cell) => cell !== "") : false;
    if (cells.length < columns.length || filled)
      return fieldError(
        "validation_error",
        "row",
        `The row has ${cells.length} ${cells.length === 1 ? "cell" : "cells"}, and the header has ${columns.length}.`,
      );
    const body: Record<string, unknown> = {};
    for (const [index, cell] of cells.entries()) {
      if (cell !== "") setters[index]?.(body, cell);
    }
    return body;
  };
  return {
    read(bytes, options) {
      const { rows, lineOf, lines, length } = readCsvRows(bytes, { ...options, delimiter });
      // Spreadsheets leave rows of delimiters behind.
      const kept = [...rows.entries()].filter(
        ([, cells]) => !Array.isArray(cells) || cells.some((cell) => cell !== ""),
      );
      const found = kept.map(([index, cells]) => ({ body: bodyOf(cells), line: lineOf[index] ?? 0 }));
      const givenOf = (index: number) => cellsByField(columns, kept[index]?.[1]);
      return batchOf(resource, found, { ...options, length, lines, givenOf });
    },
  };
}

/** What a row has for each field, as it was given. */
function cellsByField(columns: readonly Column[], cells: CsvRow | undefined): Map<string, string> {
  return new Map(
    columns.flatMap((column, index) => {
      if (column === null) return [];
      return Array.isArray(cells) ? [[targetOf(column), cells[index] ?? ""] as const] : [];
    }),
  );
}

export function ndjsonReader(resource: Resource, keys: Readonly<Record<string, Column>>): RowReader {
  const bodyOf = (line: string): Body => {
    const value = parsed(line);
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return new ApiError("malformed_json", { message: "The line is not a JSON object, or is nested too deep." });
    const body: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(value)) {
      const column = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (column !== undefined && column !== null) setField(body, column, member);
      else if (column === undefined && !resource.names.readOnly.includes(key)) body[key] = member;
    }
    return body;
  };
  return {
    read(bytes, options) {
      const { rows, lineOf, lines, length } = readLines(bytes, options);
      const found = rows.map((line, index) => ({ body: bodyOf(line), line: lineOf[index] ?? 0 }));
      const givenOf = () => new Map<string, string>();
      return batchOf(resource, found, { ...options, length, lines, givenOf });
    },
  };
}

interface BatchOptions extends ReadOptions {
  length: number;
  lines: number;
  /** The cells of a row by field. */
  givenOf: (index: number) => ReadonlyMap<string, string>;
}

function batchOf(
  resource: Resource,
  found: readonly { body: Body; line: number }[],
  { firstRow, linesBefore, length, lines, givenOf }: BatchOptions,
): Batch {
  const batch: Batch = {
    rows: found.length,
    length,
    lines,
    written: { records: [], numbers: [], lines: [] },
    failures: [],
  };
  const ids = uuidsV7(found.length);
  for (const [index, { body, line }] of found.entries()) {
    const place = { row: firstRow + index, line: linesBefore + line };
    const fields = checked(resource, body);
    if (fields instanceof ApiError) {
      batch.failures.push({ ...place, error: withGiven(fields, givenOf(index)) });
      continue;
    }
    batch.written.records.push({ ...toRow(resource, fields), id: ids[index] });
    batch.written.numbers.push(place.row);
    batch.written.lines.push(place.line);
  }
  return batch;
}

/** An error with the cells that it is about. */
function withGiven(error: ApiError, cells: ReadonlyMap<string, string>): RowFailure["error"] {
  const given = Object.keys(error.details)
    .filter((name) => cells.has(name))
    .slice(0, MAX_GIVEN_CELLS)
    .map((name) => [name, (cells.get(name) ?? "").slice(0, MAX_QUOTED)] as const);
  return { ...reported(error), ...(given.length > 0 && { given: Object.fromEntries(given) }) };
}

function checked(resource: Resource, body: Body): Body {
  if (body instanceof ApiError) return body;
  return faultError(body, "row") ?? validateRecord(resource.create, body, resource);
}

/** The value of a line; undefined when it is no JSON, or nested deeper than a body may be. */
function parsed(line: string): unknown {
  try {
    const survey = surveyJson(line);
    return survey.depth > MAX_BODY_DEPTH ? undefined : parseJson(line, survey);
  } catch {
    return undefined;
  }
}
