import { resources } from "../resources/all.ts";
import { defineResource, type Fields, type Include, type Resource } from "../resources/define.ts";

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

/** A resource as another version of the API has it: with new names, each for the one it had. Its columns stay. */
export function rename(resource: Resource, names: Readonly<Record<string, string>>): Resource {
  const newOf = new Map(Object.entries(names).map(([name, old]) => [old, name]));
  const nameOf = (old: string) => newOf.get(old) ?? old;
  const fields: Fields = Object.fromEntries(
    Object.entries(resource.fields).map(([old, field]) => [
      nameOf(old),
      {
        ...field,
        column: resource.columns[old] ?? {},
        ...(field.e164 !== undefined && { e164: nameOf(field.e164) }),
        ...(field.typedBy && { typedBy: { ...field.typedBy, field: nameOf(field.typedBy.field) } }),
      },
    ]),
  );
  const defaultSort = resource.defaultSort.replace(/\w+/g, nameOf);
  return defineResource({ ...resource, fields, defaultSort } as Parameters<typeof defineResource>[0]);
}

/** The resources of a version: some take the place of those of their name, and all lead to each other. */
export function adapt(resources: readonly Resource[], ...changed: Resource[]): readonly Resource[] {
  const adapted = new Map<string, Resource>();
  const here = (resource: () => Resource) => () => {
    const original = resource();
    return adapted.get(original.plural) ?? original;
  };
  const linked = <Link extends Include>(link: Link): Link => ({ ...link, resource: here(link.resource) });
  for (const original of resources) {
    const resource = changed.find(({ plural }) => plural === original.plural) ?? original;
    const fields = Object.entries(resource.fields).map(([name, field]) => [
      name,
      { ...field, ...(field.namesOf && { namesOf: here(field.namesOf) }) },
    ]);
    const include = Object.entries(resource.include).map(([name, link]) => [name, linked(link)]);
    adapted.set(resource.plural, {
      ...resource,
      fields: Object.fromEntries(fields),
      include: Object.fromEntries(include),
      ...(resource.parent && { parent: linked(resource.parent) }),
    });
  }
  return [...adapted.values()];
}
