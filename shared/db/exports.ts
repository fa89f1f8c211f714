import { Buffer } from "node:buffer";
import type { Principal } from "../auth/principal.ts";
import type { ListQuery } from "../query/list_query.ts";
import { listPlan, shownColumns } from "../query/read_plan.ts";
import type { Database } from "./database.ts";
import { claimsOf } from "./records.ts";

export type ExportFormat = "csv" | "ndjson";

/** What an export asks for: a list without pages. */
export type ExportQuery = Pick<ListQuery, "resource" | "where" | "sort" | "fields" | "deleted">;

/** Some lines of an export. */
export interface ExportPage {
  lines: Uint8Array<ArrayBuffer>;
  /** The newest position of the feed when they were read. */
  eventPosition: number;
}

interface PageEnd {
  rows: number;
  last: (string | null)[] | null;
  has_more: boolean;
  event_position: number;
}

// Small records fill the largest page, those with long texts a smaller one: a page is in memory whole.
const PAGE_ROWS = [2_000, 200, 20] as const;
const PAGE_BYTES = 2 * 1024 * 1024;
const LINE_FEED = 10;

/** The pages of an export, each fetched when it is asked for. */
export async function* exportPages(
  database: Database,
  principal: Principal,
  query: ExportQuery,
  format: ExportFormat,
): AsyncGenerator<ExportPage> {
  let after: readonly (string | null)[] | undefined;
  let limit: number = PAGE_ROWS[1];
  for (;;) {
    const plan = exportPlan(query, format, after, limit);
    const bytes = await database.bytes("export_records", plan, claimsOf(principal));
    const headLength = bytes.indexOf(LINE_FEED) + 1;
    const end = JSON.parse(Buffer.from(bytes.buffer, 0, headLength).toString()) as PageEnd;
    yield { lines: bytes.subarray(headLength), eventPosition: end.event_position };
    if (!end.has_more || end.last === null) return;
    after = end.last;
    const bytesPerRow = bytes.length / end.rows;
    limit = PAGE_ROWS.find((rows) => rows * bytesPerRow <= PAGE_BYTES) ?? PAGE_ROWS[2];
  }
}

/** The fields of an export, in the order of its cells. */
export function exportedFields({ resource, fields }: ExportQuery): readonly string[] {
  return fields ?? resource.names.all;
}

function exportPlan(
  query: ExportQuery,
  format: ExportFormat,
  after: readonly (string | null)[] | undefined,
  limit: number,
) {
  const page = { ...query, limit: limit - 1, cursor: undefined, include: [], total: false };
  const { shape, values } = listPlan(page, after, "none");
  const names = exportedFields(query);
  const columns = shownColumns(query.resource, names);
  return { shape: { ...shape, format, columns, names, position: query.sort.map(({ column }) => column) }, values };
}
