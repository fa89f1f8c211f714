/** The life of one version of the API. Dates are calendar days. */
export interface ApiVersion {
  name: string;
  released: string;
  /** From when on it is discouraged: `Deprecation` (RFC 9745). */
  deprecated?: string;
  /** When it stops, at least 12 months after its successor's release: `Sunset` (RFC 8594). */
  sunset?: string;
  /** Where to read about the change: `Link: <…>; rel="deprecation"`. */
  notice?: string;
}

/** Oldest first. */
export const VERSIONS: readonly ApiVersion[] = [{ name: "v1", released: "2026-03-21" }];

/** What a path without a version means. */
export const DEFAULT_VERSION = "v1";

/** The version of a path; the default one where it names none, or none that exists. */
export function versionOf(pathname: string): ApiVersion {
  const name = /^\/api\/(v\d+)(?=\/|$)/.exec(pathname)?.[1];
  const find = (wanted: string | undefined) => VERSIONS.find((version) => version.name === wanted);
  const version = find(name) ?? find(DEFAULT_VERSION);
  if (version === undefined) throw new Error("the default version is not in the list of versions");
  return version;
}

/** The headers that name a version and announce its end. */
export function versionHeaders({ name, deprecated, sunset, notice }: ApiVersion): Record<string, string> {
  return {
    "X-API-Version": name,
    ...(deprecated !== undefined && { Deprecation: `@${Date.parse(deprecated) / 1000}` }),
    ...(sunset !== undefined && { Sunset: new Date(sunset).toUTCString() }),
    ...(notice !== undefined && { Link: `<${notice}>; rel="deprecation"` }),
  };
}
