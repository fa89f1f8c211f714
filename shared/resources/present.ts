import type { Resource } from "./define.ts";
import { shownTime } from "./time.ts";

/** One row as the API shows it: the shown fields and embedded records, in this order, times as `shownTime` writes them. */
export function present(
  resource: Resource,
  row: Record<string, unknown>,
  shown: readonly string[] = resource.names.all,
  embedded: readonly string[] = [],
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const name of shown) record[name] = row[name];
  for (const name of embedded) record[name] = row[name];
  return withTimes(resource, record, embedded);
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
    withTimes(resource, row, embedded);
  }
  return rows;
}

function withTimes(
  resource: Resource,
  record: Record<string, unknown>,
  embedded: readonly string[],
): Record<string, unknown> {
  for (const name of resource.names.timestamps) {
    const value = record[name];
    if (typeof value === "string") record[name] = shownTime(value);
  }
  for (const name of embedded) {
    const related = resource.include[name];
    const value = record[name];
    if (related !== undefined && typeof value === "object" && value !== null)
      withTimes(related.resource(), value as Record<string, unknown>, []);
  }
  return record;
}
