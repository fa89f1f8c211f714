import { MAX_VALUES, MAX_WEBHOOK_FILTER } from "../bounds.ts";
import {
  askedOf,
  type Comparison,
  contactsAsked,
  customAsField,
  invalid,
  type Leaf,
  mapTree,
  type PartOperator,
  type Tree,
} from "../query/comparison.ts";
import { parseTree } from "../query/filter_tree.ts";
import { fold, lowerCase } from "../query/fold.ts";
import type { QueryContext } from "../query/query_context.ts";
import { unknownName } from "../query/suggest.ts";
import { type Field, type FilterKind, hasKey, nameOf, type Resource } from "../resources/define.ts";
import { readTime } from "../resources/time.ts";
import { compareDecimals } from "../standards/decimals.ts";
import { shownDomain } from "../standards/punycode.ts";

/**
 * What an endpoint's filter asks of an event, with everything checked: the tree of `POST /search`, by the names that a
 * record has in the endpoint's version. It is kept as it is, so that no definition has to be looked up for an event.
 */
export type EventFilter = Tree<Probe>;

type Probe =
  | FieldProbe
  | { field: string; op: "has_any" | "has_none"; tags: string[] }
  | ContactProbe
  | { changed: string[] };

type FieldProbe =
  | ({ field: string; as: Compared } & Comparison)
  | { field: string; as: "text" | "host"; op: PartOperator; parts: string[] };

/** One of these contacts takes part: the first field has one, the other a list of them. */
interface ContactProbe {
  contacts: string[];
  fields: [string, string];
}

/** How values are compared: `lower` without their case, `time` to the microsecond, `number` exactly. */
type Compared = "text" | "lower" | "number" | "time" | "host";

/** What a filter looks at of an event. */
export interface FilteredEvent {
  /** The record as the API shows it. */
  data: Record<string, unknown>;
  /** By field: what changed. */
  changes: Record<string, unknown> | null;
}

/** The resource whose records an endpoint's events are about. @throws ApiError `invalid_filter` when they are not about one */
export function filteredResource(events: readonly string[], resources: readonly Resource[]): Resource {
  const singulars = [...new Set(events.map((event) => event.replace(/\..*/, "")))];
  const [resource, ...others] = singulars.map((singular) =>
    resources.find((one) => one.singular === singular && one.operations.includes("create")),
  );
  if (resource !== undefined && others.length === 0) return resource;
  throw invalid("filter", "The filter needs events that are all of one resource's records, such as deal.*.");
}

/** Reads the filter of an endpoint whose events are about a resource. @throws ApiError `invalid_filter` */
export function parseEventFilter(resource: Resource, tree: unknown, context: QueryContext): EventFilter {
  const changed = {
    member: "changed",
    parse: (value: unknown, at: string): Probe => ({ changed: parseChanged(resource, context, value, at) }),
  };
  const filter = parseTree<Tree<Probe>>(tree, (leaf) => parseLeaf(resource, context, leaf), changed) as EventFilter;
  if (Math.max(JSON.stringify(tree).length, JSON.stringify(filter).length) > MAX_WEBHOOK_FILTER)
    throw invalid("filter", `The filter may not be longer than ${MAX_WEBHOOK_FILTER / 1024} kB.`);
  return filter;
}

function parseChanged(resource: Resource, context: QueryContext, value: unknown, at: string): string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_VALUES)
    throw invalid(at, `The ${at} must be a list of 1 to ${MAX_VALUES} fields.`);
  const known = [...resource.names.all, ...context.customFields.map(({ key }) => `custom_fields.${key}`)];
  const unknown = value.findIndex((name) => typeof name !== "string" || !known.includes(name));
  if (unknown >= 0) throw invalid(`${at}.${unknown}`, unknownName("field", String(value[unknown]), known));
  return [...new Set(value as string[])];
}

function parseLeaf(resource: Resource, { customFields }: QueryContext, leaf: Leaf): Tree<Probe> {
  const { name } = leaf;
  const field = Object.hasOwn(resource.fields, name) ? resource.fields[name] : undefined;
  if (field?.filter) return probeOf(name, field, field.filter, leaf);
  if (Object.hasOwn(resource.filteredBy, name)) return contactProbe(resource, leaf);
  const custom = customFields.find(({ key }) => name === `custom_fields.${key}`);
  if (custom !== undefined) {
    const { field: asField, kind } = customAsField(custom);
    return probeOf(name, asField, kind, leaf);
  }
  const filterable = Object.keys(resource.fields).filter((one) => resource.fields[one]?.filter);
  const known = [
    ...filterable,
    ...Object.keys(resource.filteredBy),
    ...customFields.map(({ key }) => `custom_fields.${key}`),
  ];
  throw invalid(leaf.at, unknownName("filter", name, known));
}

function probeOf(name: string, field: Field, kind: FilterKind, leaf: Leaf): Tree<Probe> {
  const asked = askedOf(field, kind, leaf);
  if ("tags" in asked) return { field: name, op: asked.op, tags: asked.tags.map(lowerCase) };
  if ("parts" in asked) {
    const parts = asked.parts.map((part) => fold(part).replaceAll("\x02", " "));
    return { field: name, as: kind === "host" ? "host" : "text", op: asked.op, parts };
  }
  return mapTree(asked.test, (comparison): Probe => ({ field: name, as: comparedAs(field, kind), ...comparison }));
}

function comparedAs(field: Field, kind: FilterKind): Compared {
  if (kind === "integer" || kind === "decimal") return "number";
  if (kind === "timestamp") return "time";
  return hasKey(field) ? "lower" : "text";
}

function contactProbe(resource: Resource, leaf: Leaf): Tree<Probe> {
  const { ids, isNegated } = contactsAsked(leaf);
  const fields: [string, string] = [nameOf(resource, "primary_contact_id"), nameOf(resource, "contacts")];
  const any: Probe = { contacts: ids, fields };
  return isNegated ? { not: any } : any;
}

/** Whether an event is what an endpoint's filter asks for: the same tree finds the same records as in a list. */
export function matches(filter: EventFilter, event: FilteredEvent): boolean {
  if ("and" in filter) return filter.and.every((one) => matches(one, event));
  if ("or" in filter) return filter.or.some((one) => matches(one, event));
  if ("not" in filter) return !matches(filter.not, event);
  if ("changed" in filter) return filter.changed.some((name) => isChanged(event.changes ?? {}, name));
  if ("contacts" in filter) return hasContact(filter, event);
  if ("tags" in filter) {
    const { field, op, tags } = filter;
    return valuesOf(event.data, field).some((tag) => tags.includes(lowerCase(String(tag)))) === (op === "has_any");
  }
  return satisfies(filter, valuesOf(event.data, filter.field));
}

/** Of an object one that any of its members has. */
function isChanged(changes: Record<string, unknown>, name: string): boolean {
  return Object.keys(changes).some((changed) => changed === name || changed.startsWith(`${name}.`));
}

function hasContact({ contacts, fields: [one, list] }: ContactProbe, { data }: FilteredEvent): boolean {
  const others = (data[list] ?? []) as { contact_id: string }[];
  return [data[one], ...others.map(({ contact_id }) => contact_id)].some((id) => contacts.includes(String(id)));
}

/** The values that a record has of a field: none for null, several of a list. */
function valuesOf(data: Record<string, unknown>, field: string): unknown[] {
  const isCustom = field.startsWith("custom_fields.");
  const holder = isCustom ? ((data["custom_fields"] ?? {}) as Record<string, unknown>) : data;
  const name = isCustom ? field.slice("custom_fields.".length) : field;
  const value = Object.hasOwn(holder, name) ? holder[name] : null;
  return [value].flat().filter((one) => one !== null && one !== undefined);
}

// What is negated is true of null, as in a list: no value is that one.
function satisfies(probe: FieldProbe, values: readonly unknown[]): boolean {
  switch (probe.op) {
    case "null":
      return values.length === 0;
    case "not_null":
      return values.length > 0;
    case "contains":
    case "starts_with":
      return values.flatMap((value) => textsOf(probe.as, String(value))).some((text) => hasPart(probe, text));
    case "ne":
      return values.every((value) => compare(probe.as, value, probe.value) !== 0);
    case "nin":
      return values.every((value) => probe.values.every((one) => compare(probe.as, value, one) !== 0));
    case "in":
      return values.some((value) => probe.values.some((one) => compare(probe.as, value, one) === 0));
    case "eq":
      return values.some((value) => compare(probe.as, value, probe.value) === 0);
    case "gt":
      return values.some((value) => compare(probe.as, value, probe.value) > 0);
    case "gte":
      return values.some((value) => compare(probe.as, value, probe.value) >= 0);
    case "lt":
      return values.some((value) => compare(probe.as, value, probe.value) < 0);
    case "lte":
      return values.some((value) => compare(probe.as, value, probe.value) <= 0);
  }
}

function hasPart({ op, parts }: { op: PartOperator; parts: string[] }, text: string): boolean {
  return parts.some((part) => (op === "contains" ? text.includes(part) : text.startsWith(part)));
}

/** What a part is looked for in; of a domain also its own letters (`crm.shown_domain`). */
function textsOf(as: Compared, value: string): string[] {
  return as === "host" ? [fold(value), fold(shownDomain(value))] : [fold(value)];
}

function compare(as: Compared, value: unknown, given: string): number {
  const written = String(value);
  if (as === "number") return compareDecimals(written, given);
  const [one, other] =
    as === "time"
      ? [readTime(written) ?? written, readTime(given) ?? given]
      : [as === "lower" ? lowerCase(written) : written, given];
  return one === other ? 0 : one < other ? -1 : 1;
}
