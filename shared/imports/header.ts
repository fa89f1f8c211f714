import type { ImportStart } from "../db/imports.ts";
import { ApiError } from "../errors.ts";
import type { CustomField } from "../query/query_context.ts";
import { unknownName } from "../query/suggest.ts";
import type { Resource } from "../resources/define.ts";
import { type Mapping, resolveHeader, resolveKeys } from "./columns.ts";
import { readCsvRows } from "./csv_rows.ts";

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * Reads the beginning of an import's text: what its columns become and where its rows begin.
 * @throws ApiError for a header that can't be read, and for all that is wrong with its columns at once
 */
export async function readHeader(
  resource: Resource,
  asked: { format: "csv" | "ndjson"; mapping: Mapping; match_by?: string | undefined },
  text: { bytes: Uint8Array; isEnd: boolean },
  fetchCustomFields: () => Promise<CustomField[]>,
): Promise<ImportStart> {
  const { mapping, match_by: matchBy } = asked;
  const mark = BYTE_ORDER_MARK.every((byte, index) => text.bytes[index] === byte) ? BYTE_ORDER_MARK.length : 0;
  if (asked.format === "ndjson") {
    const customFields = namesCustomField(Object.values(mapping)) ? await fetchCustomFields() : [];
    const columns = resolveKeys(resource, mapping, customFields);
    return { match_by: matchBy ?? resource.names.unique[0] ?? null, mapping, columns, bytes_processed: mark };
  }
  const header = readCsvRows(text.bytes.subarray(mark), { isEnd: text.isEnd, max: 1 });
  const [names] = header.rows;
  if (header.broken !== undefined) throw invalid("content", `The header row ${header.broken}.`);
  if (names === undefined) throw invalid("content", "The content field must begin with a header row.");

  const customFields = namesCustomField([...names, ...Object.values(mapping)]) ? await fetchCustomFields() : [];
  const resolved = resolveHeader(resource, names, mapping, customFields);
  const isMapped = (field: string) => resolved.columns.some((column) => column?.field === field);
  if (matchBy !== undefined && !isMapped(matchBy))
    throw invalid("match_by", `The match_by field is ${matchBy}, and nothing is mapped to it.`);
  const { unique } = resource.names;
  return {
    match_by: matchBy ?? unique.find(isMapped) ?? unique[0] ?? null,
    ...resolved,
    bytes_processed: mark + header.length,
  };
}

/** @throws ApiError `validation_error` when records can't be found by the field */
export function requireMatch(resource: Resource, matchBy: string | undefined): void {
  const { unique } = resource.names;
  if (matchBy !== undefined && !unique.includes(matchBy))
    throw invalid("match_by", unknownName("unique field", matchBy, unique));
}

function namesCustomField(names: readonly (string | null)[]): boolean {
  return names.some((name) => name?.startsWith("custom_fields."));
}

function invalid(at: string, sentence: string): ApiError {
  return new ApiError("validation_error", { message: sentence, details: { [at]: [sentence] } });
}
