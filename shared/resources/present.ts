import type { Resource } from "./define.ts";

/** A row as the API shows it: the asked-for fields in the order of the definition, times in UTC with a Z. */
export function present(resource: Resource, row: Record<string, unknown>, shown: readonly string[] = resource.names.all, embedded: readonly string[] = []): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const name of shown) record[name] = row[name];
  for (const name of embedded) record[name] = row[name];
  for (const name of resource.names.timestamps) {
    const value = record[name];
    if (typeof value === "string") record[name] = value.replace("+00:00", "Z");
  }
  return record;
}
