import type { Resource } from "./define.ts";
import { withE164 } from "./phone.ts";

/** A checked body as the row that is written: derived fields added, fields that another column takes moved there. */
export function toRow(resource: Resource, fields: Record<string, unknown>): Record<string, unknown> {
  const row = withE164(resource, fields);
  for (const name of Object.keys(row)) {
    const { given = name } = resource.columns[name] ?? {};
    const value = row[name];
    const named = resource.fields[name]?.namesOf?.();
    if (named?.isRenamed && Array.isArray(value)) row[name] = value.map((one) => named.columns[one]?.shown ?? one);
    if (given === name) continue;
    row[given] = row[name];
    delete row[name];
  }
  return row;
}
