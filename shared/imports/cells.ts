import { z } from "zod";
import { isExact, parseJson } from "../http/json.ts";
import type { CustomField } from "../query/query_context.ts";
import type { Resource } from "../resources/define.ts";
import { trimmed } from "../resources/plain_text.ts";
import { type Column, unwrap } from "./columns.ts";
import { writtenDay, writtenNumber, writtenTime } from "./written_values.ts";

/** How the text of a cell is read. What doesn't read so stays text, for the validation to say what is wrong. */
type Reader = (cell: string) => unknown;

/** Puts what a cell holds where its column goes. */
export type CellSetter = (body: Record<string, unknown>, cell: string) => void;

/** The setters of a row's cells; undefined for a column that is left out. */
export function cellSetters(resource: Resource, columns: readonly Column[]): (CellSetter | undefined)[] {
  return columns.map((column) => {
    if (column === null) return undefined;
    const read = readerOf(resource, column);
    return (body, cell) => setField(body, column, read(cell));
  });
}

/** Gives a field, or a member of it, a value. */
export function setField(body: Record<string, unknown>, { field, member }: NonNullable<Column>, value: unknown): void {
  if (member === undefined) {
    body[field] = value;
    return;
  }
  const object = (body[field] ?? {}) as Record<string, unknown>;
  object[member] = value;
  body[field] = object;
}

const CUSTOM_READERS: Partial<Record<CustomField["type"], Reader>> = {
  number: readNumber,
  boolean: readBoolean,
  multi_select: readList,
  date: writtenDay,
  datetime: writtenTime,
};
const READERS_BY_FILTER: Partial<Record<string, Reader>> = {
  date: writtenDay,
  timestamp: writtenTime,
  decimal: writtenNumber,
};

function readerOf(resource: Resource, { field, member, custom }: NonNullable<Column>): Reader {
  if (custom !== undefined) return CUSTOM_READERS[custom] ?? readText;
  const definition = resource.fields[field];
  // What a member of typed data is depends on the row.
  if (member !== undefined && definition?.typedBy) return (cell) => (/^\s*[[{]/.test(cell) ? readJson(cell) : cell);
  const schema = unwrap(definition?.schema);
  if (member === undefined) return READERS_BY_FILTER[definition?.filter ?? ""] ?? readerFor(schema);
  return readerFor(schema instanceof z.ZodObject ? unwrap(schema.shape[member]) : undefined);
}

function readerFor(schema: unknown): Reader {
  if (schema instanceof z.ZodNumber) return readNumber;
  if (schema instanceof z.ZodBoolean) return readBoolean;
  if (schema instanceof z.ZodEnum) return enumReader(schema.options.map(String));
  if (schema instanceof z.ZodArray) return unwrap(schema.element) instanceof z.ZodString ? readList : readJson;
  const isOpen = schema instanceof z.ZodRecord || schema instanceof z.ZodUnknown;
  return schema instanceof z.ZodObject || isOpen ? readJson : readText;
}

/** The apostrophe in front of what a spreadsheet would run is the export's (`crm.without_formula`). */
function readText(cell: string): string {
  return /^'+[=@+\t\r-]/.test(cell) ? cell.slice(1) : cell;
}

function readNumber(cell: string): unknown {
  const text = writtenNumber(cell).replace(/^\+/, "");
  return /^-?\d+(\.\d+)?$/.test(text) && isExact(text, Number(text)) ? Number(text) : cell;
}

/** `Follow up` is follow_up, and `Customer` is customer: people write choices as they are shown. */
function enumReader(options: readonly string[]): Reader {
  return (cell) => {
    const name = trimmed(cell)
      .toLowerCase()
      .replace(/[\s-]+/g, "_");
    return options.includes(name) ? name : cell;
  };
}

const BOOLEANS: Record<string, boolean> = { true: true, false: false, yes: true, no: false, "1": true, "0": false };

function readBoolean(cell: string): unknown {
  return BOOLEANS[trimmed(cell).toLowerCase()] ?? cell;
}

/** `vip;newsletter`, `"vip","newsletter"`, or a list as JSON, as exports write it. */
function readList(cell: string): unknown {
  if (/^\s*"[^"]*"(\s*,\s*"[^"]*")+\s*$/.test(cell)) return readJson(`[${cell}]`);
  if (cell.trimStart().startsWith("[")) return readJson(cell);
  return cell
    .split(";")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function readJson(cell: string): unknown {
  try {
    return parseJson(cell);
  } catch {
    return cell;
  }
}
