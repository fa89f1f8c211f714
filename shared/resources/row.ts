import { type About, columnOf, type Resource } from "./define.ts";
import { withE164 } from "./phone.ts";

/** A checked body as the row that is written: derived fields added, and columns where the API has other names. */
export function toRow(resource: Resource, fields: Record<string, unknown>): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(withE164(resource, fields))) {
    const about = resource.fields[name]?.about;
    row[resource.columns[name]?.given ?? name] = about === undefined ? value : writtenAbout(about, value);
  }
  return row;
}

function writtenAbout({ resource }: About, values: unknown): unknown {
  if (!Array.isArray(values)) return values;
  const other = resource();
  return values.map((value) => (typeof value === "string" ? columnOf(other, value) : toRow(other, value)));
}
