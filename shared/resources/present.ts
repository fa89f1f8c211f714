import { type About, type Field, nameOf, type Resource } from "./define.ts";
import { shownTime } from "./time.ts";

/** One row as the API shows it: the shown fields and embedded records, in this order, times as `shownTime` writes them. */
export function present(
  resource: Resource,
  row: Record<string, unknown>,
  shown: readonly string[] = resource.names.all,
  embedded: readonly string[] = [],
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const name of shown) record[name] = row[resource.columns[name]?.shown ?? name];
  for (const name of embedded) record[name] = row[name];
  return withValues(resource, record, embedded);
}

/**
 * The rows of a page as the API shows them. They come with the shown fields and in order, so they are
 * changed in place: copying them costs more than parsing them did. What only the cursor needed is hidden.
 */
export function presentPage(
  resource: Resource,
  rows: Record<string, unknown>[],
  shown: readonly string[] = resource.names.all,
  { hidden, embedded = [] }: { hidden: readonly string[]; embedded?: readonly string[] },
): Record<string, unknown>[] {
  if (resource.isRenamed) return rows.map((row) => present(resource, row, shown, embedded));
  for (const row of rows) {
    for (const name of hidden) row[name] = undefined;
    withValues(resource, row, embedded);
  }
  return rows;
}

/** Times, names of fields and embedded records as the API shows them, put in their places. */
function withValues(
  resource: Resource,
  record: Record<string, unknown>,
  embedded: readonly string[],
): Record<string, unknown> {
  for (const name of resource.names.timestamps) {
    const value = record[name];
    if (typeof value === "string") record[name] = shownTime(value);
  }
  for (const name of resource.names.about) {
    const { about } = resource.fields[name] as Field;
    const valued =
      about?.valuesOf === undefined ? about : about.resource().fields[String(record[about.valuesOf])]?.about;
    if (valued !== undefined) record[name] = shownAbout(valued, record[name]);
  }
  for (const name of embedded) {
    const related = resource.include[name]?.resource();
    const value = record[name];
    if (related === undefined || typeof value !== "object" || value === null) continue;
    const row = value as Record<string, unknown>;
    record[name] = related.isRenamed ? present(related, row) : withValues(related, row, []);
  }
  return record;
}

/** What SQL calls fields of another resource, in the names that the API has for them. */
function shownAbout(about: About, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry) => shownAbout(about, entry));
  if (value === null || value === undefined) return value;
  const other = about.resource();
  if (typeof value === "string") return other.isRenamed ? nameOf(other, value) : value;
  const row = value as Record<string, unknown>;
  return present(
    other,
    row,
    other.names.all.filter((name) => (other.columns[name]?.shown ?? name) in row),
  );
}
