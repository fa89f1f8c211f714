import { resourceNamed } from "./all.ts";
import type { Resource } from "./define.ts";

/** One row as the API shows it: the shown fields and embedded records, in this order, times in UTC with a Z. */
export function present(
  resource: Resource,
  row: Record<string, unknown>,
  shown: readonly string[] = resource.names.all,
  embedded: readonly string[] = [],
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const name of shown) record[name] = row[name];
  for (const name of embedded) record[name] = row[name];
  return withZulu(resource, record, embedded);
}

/**
 * The rows of a page as the API shows them. They come with the shown fields and in order, so they are
 * changed in place: copying them costs more than parsing them did. What only the cursor needed is hidden.
 */
export function presentPage(
  resource: Resource,
  rows: Record<string, unknown>[],
  hidden: readonly string[],
  embedded: readonly string[] = [],
): Record<string, unknown>[] {
  for (const row of rows) {
    for (const name of hidden) row[name] = undefined;
    withZulu(resource, row, embedded);
  }
  return rows;
}

/** A time as the API shows it: UTC with a Z, where Postgres writes +00:00. */
export function zulu(time: string): string {
  return time.endsWith("+00:00") ? `${time.slice(0, -6)}Z` : time;
}

function withZulu(
  resource: Resource,
  record: Record<string, unknown>,
  embedded: readonly string[],
): Record<string, unknown> {
  for (const name of resource.names.timestamps) {
    const value = record[name];
    if (typeof value === "string") record[name] = zulu(value);
  }
  for (const name of embedded) {
    const related = resource.include[name];
    const value = record[name];
    if (related !== undefined && typeof value === "object" && value !== null)
      withZulu(resourceNamed(related.resource), value as Record<string, unknown>, []);
  }
  return record;
}
