import { z } from "zod";
import { ApiError } from "../errors.ts";
import { resources } from "../resources/all.ts";
import { defineResource, type Field, type Resource } from "../resources/define.ts";

/** The life of one version of the API. Dates are calendar days. */
export interface ApiVersion {
  name: string;
  released: string;
  /** From when on it is discouraged: `Deprecation` (RFC 9745). */
  deprecated?: string;
  /** When it stops, at least 12 months after its successor's release: `Sunset` (RFC 8594). */
  sunset?: string;
  /** What it calls the fields. */
  resources: readonly Resource[];
  /** Where to read about the change: `Link: <…>; rel="deprecation"`. */
  notice?: string;
}

/** Oldest first. */
export const VERSIONS: readonly ApiVersion[] = [{ name: "v1", released: "2026-03-21", resources }];

/** What a path without a version means. */
export const DEFAULT_VERSION = "v1";

/** The version of a path; the default one where it names none, or none that exists. */
export function versionOf(pathname: string, versions: readonly ApiVersion[]): ApiVersion {
  const name = /^\/api\/(v\d+)(?=\/|$)/.exec(pathname)?.[1];
  const find = (wanted: string | undefined) => versions.find((version) => version.name === wanted);
  const version = find(name) ?? find(DEFAULT_VERSION);
  if (version === undefined) throw new Error("the default version is not in the list of versions");
  return version;
}

/** What is answered to a version that there is not, or not any more. */
export function unknownVersion(name: string, supported: readonly string[]): ApiError {
  const message = `The API version ${name} does not exist. Supported: ${supported.join(", ")}.`;
  return new ApiError("unknown_version", { message, details: { supported } });
}

/** The headers that name a version and announce its end. */
export function versionHeaders({
  name,
  deprecated,
  sunset,
  notice,
}: Omit<ApiVersion, "resources">): Record<string, string> {
  return {
    "X-API-Version": name,
    ...(deprecated !== undefined && { Deprecation: `@${Date.parse(deprecated) / 1000}` }),
    ...(sunset !== undefined && { Sunset: new Date(sunset).toUTCString() }),
    ...(notice !== undefined && { Link: `<${notice}>; rel="deprecation"` }),
  };
}

/** Names that no version changes: answers of every kind have them, and paths. */
const KEPT = ["id", "version", "updated_at", "custom_fields"];

/** A resource as another version of the API has it: with new names, each for the one it had. Its columns stay. */
export function rename(resource: Resource, names: Readonly<Record<string, string>>): Resource {
  const newOf = new Map(Object.entries(names).map(([name, old]) => [old, name]));
  const newNameOf = (old: string) => newOf.get(old) ?? old;
  const kept = [...KEPT, resource.parent?.field].find((name) => name !== undefined && newOf.has(name));
  if (kept !== undefined) throw new Error(`the ${kept} of ${resource.plural} has this name in every version`);
  const olds = Object.keys(resource.fields);
  const stranger = [...newOf.keys()].find((old) => !olds.includes(old));
  if (stranger !== undefined) throw new Error(`${resource.plural} have no field ${stranger} to rename`);
  if (newOf.size < Object.keys(names).length || new Set(olds.map(newNameOf)).size < olds.length)
    throw new Error(`two fields of ${resource.plural} would have one name, or one of them two`);
  const renamed = <Member>(members: Readonly<Record<string, Member>>) =>
    Object.entries(members).map(([old, member]) => [newNameOf(old), member] as const);
  const fields = renamed(resource.fields).map(([name, field]) => [
    name,
    {
      ...field,
      column: resource.columns[names[name] ?? name] ?? {},
      ...(field.e164 !== undefined && { e164: newNameOf(field.e164) }),
      ...(field.within && { within: field.within.map(newNameOf) }),
      ...(field.typedBy && { typedBy: { ...field.typedBy, field: newNameOf(field.typedBy.field) } }),
    },
  ]);
  const actions = Object.entries(resource.actions).map(([name, action]) => [
    name,
    { ...action, body: z.strictObject(Object.fromEntries(renamed(action.body.shape))) },
  ]);
  const include = Object.entries(resource.include).map(([name, link]) => [
    name,
    { ...link, field: newNameOf(link.field) },
  ]);
  return redefined(resource, {
    fields: Object.fromEntries(fields),
    actions: Object.fromEntries(actions),
    include: Object.fromEntries(include),
    title: resource.title.map(newNameOf),
    defaultSort: resource.defaultSort.replace(/\w+/g, newNameOf),
  });
}

/** The resources of a version: some take the place of those of their name, and all lead to each other. */
export function adapt(resources: readonly Resource[], ...renamed: Resource[]): readonly Resource[] {
  const adapted = new Map<string, Resource>();
  const linked = <Link extends { resource: () => Resource }>(link: Link): Link => {
    const { plural } = link.resource();
    return { ...link, resource: () => adapted.get(plural) ?? link.resource() };
  };
  const adaptedField = (field: Field): Field => {
    if (field.about === undefined) return field;
    const about = linked(field.about);
    return { ...field, about, ...(about.schema && { schema: about.schema(about.resource) }) };
  };
  for (const original of resources) {
    const resource = renamed.find(({ plural }) => plural === original.plural) ?? original;
    const fields = Object.entries(resource.fields).map(([name, field]) => [name, adaptedField(field)]);
    const include = Object.entries(resource.include).map(([name, link]) => [name, linked(link)]);
    adapted.set(
      resource.plural,
      redefined(resource, {
        fields: Object.fromEntries(fields),
        include: Object.fromEntries(include),
        ...(resource.parent && { parent: linked(resource.parent) }),
      }),
    );
  }
  return [...adapted.values()];
}

/** A resource with other facts, and all that is derived from them. */
function redefined(resource: Resource, facts: Partial<Resource>): Resource {
  return defineResource({ ...resource, ...facts } as Parameters<typeof defineResource>[0]);
}
