import { Buffer } from "node:buffer";
import { MAX_COLUMNS, MAX_HEADER_BYTES, MAX_MAPPING_BYTES } from "../bounds.ts";
import type { ImportStart } from "../db/long_work.ts";
import { type ApiError, fieldError } from "../errors.ts";
import type { CustomField } from "../query/query_context.ts";
import { unknownName } from "../query/suggest.ts";
import { columnOf, type Resource } from "../resources/define.ts";
import { isKnownHeader, type Mapping, resolveHeader, resolveKeys } from "./columns.ts";
import { type Delimiter, findDelimiter, readCsvRows } from "./csv_rows.ts";

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * Reads the beginning of an import's text: what its columns become and where its rows begin.
 * @throws ApiError for a header that can't be read, and for all that is wrong with its columns at once
 */
export async function readHeader(
  resource: Resource,
  asked: {
    format: "csv" | "ndjson";
    mapping: Mapping;
    match_by?: string | undefined;
    delimiter?: Delimiter | undefined;
  },
  text: { bytes: Uint8Array; isEnd: boolean },
  fetchCustomFields: () => Promise<CustomField[]>,
): Promise<ImportStart> {
  const { mapping, match_by: matchBy } = asked;
  const mark = BYTE_ORDER_MARK.every((byte, index) => text.bytes[index] === byte) ? BYTE_ORDER_MARK.length : 0;
  if (asked.format === "ndjson") {
    const customFields = namesCustomField(Object.values(mapping)) ? await fetchCustomFields() : [];
    const columns = resolveKeys(resource, mapping, customFields);
    return {
      ...matching(resource, matchBy ?? resource.names.unique[0]),
      mapping,
      columns,
      bytes_processed: mark,
      lines_processed: 0,
    };
  }
  const { delimiter, begin, lines } = findBeginning(
    text.bytes.subarray(mark),
    asked.delimiter,
    (name) => Object.hasOwn(mapping, name) || name.startsWith("custom_fields.") || isKnownHeader(resource, name),
  );
  const body = text.bytes.subarray(mark + begin, mark + begin + MAX_HEADER_BYTES);
  const isWhole = text.isEnd && body.length < MAX_HEADER_BYTES;
  const header = readCsvRows(body, { isEnd: isWhole, max: 1, delimiter });
  const [names] = header.rows;
  if (names === undefined && body.length === MAX_HEADER_BYTES)
    throw invalid("content", `The header row may not be longer than ${MAX_HEADER_BYTES / 1024} kB.`);
  if (names === undefined) throw invalid("content", "The content field must begin with a header row.");
  if (!Array.isArray(names)) throw invalid("content", `The header row ${names.problem}.`);
  if (names.length > MAX_COLUMNS)
    throw invalid("content", `The header row may not have more than ${MAX_COLUMNS} cells.`);

  const customFields = namesCustomField([...names, ...Object.values(mapping)]) ? await fetchCustomFields() : [];
  const resolved = resolveHeader(resource, names, mapping, customFields);
  requireSmall(resolved.mapping);
  const isMapped = (field: string) => resolved.columns.some((column) => column?.field === field);
  if (matchBy !== undefined && !isMapped(matchBy))
    throw invalid("match_by", `The match_by field is ${matchBy}, and nothing is mapped to it.`);
  const { unique } = resource.names;
  return {
    ...matching(resource, matchBy ?? unique.find(isMapped) ?? unique[0]),
    mapping: resolved.mapping,
    columns: { delimiter, columns: resolved.columns },
    bytes_processed: mark + begin + header.length,
    lines_processed: lines + header.lines,
  };
}

/** What finds the records that rows are about, as the API calls it and as SQL does. */
export function matching(
  resource: Resource,
  matchBy: string | undefined,
): Pick<ImportStart, "match_by" | "match_column"> {
  if (matchBy === undefined) return { match_by: null, match_column: null };
  return { match_by: matchBy, match_column: columnOf(resource, matchBy) };
}

/** @throws ApiError `validation_error` when records can't be found by the field */
export function requireMatch(resource: Resource, matchBy: string | undefined): void {
  const { unique } = resource.names;
  if (matchBy !== undefined && !unique.includes(matchBy))
    throw invalid("match_by", unknownName("unique field", matchBy, unique));
}

/**
 * What stands between the cells: what was asked for, what a first line `sep=;` says, or what the header is full of. And
 * where the header begins: behind such a line, and behind a preamble.
 */
function findBeginning(
  bytes: Uint8Array,
  asked: Delimiter | undefined,
  isKnown: (name: string) => boolean,
): { delimiter: Delimiter; begin: number; lines: number } {
  const head = new TextDecoder().decode(bytes.subarray(0, MAX_HEADER_BYTES));
  const [line = "", said] = /^"?sep=([,;\t|])"?[^\S\r\n]*(?:\r\n|\n|\r)/.exec(head) ?? [];
  const preamble = line === "" ? preambleOf(head, isKnown) : "";
  const rest = head.slice(line.length + preamble.length).trimStart();
  const delimiter = asked ?? (said as Delimiter | undefined) ?? findDelimiter(rest.split(/[\r\n]/, 1)[0] ?? "");
  const begin = Buffer.byteLength(line + preamble);
  return { delimiter, begin, lines: (line + preamble).match(/\r\n|\n|\r/g)?.length ?? 0 };
}

const MAX_PREAMBLE_LINES = 10;

/** Lines of prose and a blank one before the header, as LinkedIn writes them: nothing there is named by its first line. */
function preambleOf(head: string, isKnown: (name: string) => boolean): string {
  const [preamble = "", first = ""] =
    /^([^,;\t|\r\n]+)(?:\r\n|\n|\r)(?:[^\r\n]+(?:\r\n|\n|\r))*(?:\r\n|\n|\r)/.exec(head) ?? [];
  const isShort = preamble.split(/\r\n|\n|\r/).length <= MAX_PREAMBLE_LINES;
  const isFollowed = /^[^\r\n]*[,;\t|]/.test(head.slice(preamble.length));
  return isShort && isFollowed && !isKnown(first.trim().replace(/^"(.*)"$/, "$1")) ? preamble : "";
}

/** @throws ApiError `validation_error` for a mapping that is too large to be kept and listed */
export function requireSmall(mapping: Mapping): void {
  if (Buffer.byteLength(JSON.stringify(mapping)) > MAX_MAPPING_BYTES)
    throw invalid("mapping", `The mapping may not be longer than ${MAX_MAPPING_BYTES / 1024} kB.`);
}

function namesCustomField(names: readonly (string | null)[]): boolean {
  return names.some((name) => name?.startsWith("custom_fields."));
}

function invalid(at: string, sentence: string): ApiError {
  return fieldError("validation_error", at, sentence);
}
