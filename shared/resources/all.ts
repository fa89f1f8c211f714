import { activities } from "./activities.ts";
import { companies } from "./companies.ts";
import { contacts } from "./contacts.ts";
import { customFieldsFor } from "./custom_fields.ts";
import { deals, stageChanges } from "./deals.ts";
import type { Resource } from "./define.ts";
import { historyOf } from "./history.ts";
import { pipelines, stages } from "./pipelines.ts";
import { tags } from "./tags.ts";
import { tasks } from "./tasks.ts";
import { users } from "./users.ts";

/** What customers keep, in the order the documentation shows it. A new resource has a line here. */
const records: Resource[] = [contacts, companies, pipelines, stages, deals, stageChanges, tasks, activities];

const [first = "", ...others] = records.filter(({ customizable }) => customizable).map(({ plural }) => plural);
const declared = [...records, users, tags, customFieldsFor([first, ...others])];

/** Every resource, each followed by its history. */
export const resources: readonly Resource[] = declared.flatMap((resource) =>
  resource.operations.includes("history") ? [resource, historyOf(resource)] : [resource],
);

/** A resource by its plural, of those of a version. @throws when there is none */
export function resourceNamed(plural: string, among: readonly Resource[] = resources): Resource {
  const resource = among.find((one) => one.plural === plural);
  if (resource === undefined) throw new Error(`there is no resource ${plural}`);
  return resource;
}
