import { expect } from "vitest";
import { z } from "zod";
import { routesOf } from "../../functions/api/routes.ts";
import { errorsOf, type Route, type SuccessStatus } from "../../shared/http/route.ts";
import type { ApiVersion } from "../../shared/http/versions.ts";
import { type Answer, isDocument } from "./client.ts";

/** A version; without resources, when it is another checkout's, of which nothing is known. */
export type Version = { name: string; resources: ApiVersion["resources"] | null };

const known = new Map<string, (readonly [RegExp, Route])[]>();

function patternsOf(version: Version): (readonly [RegExp, Route])[] {
  const { resources } = version;
  if (resources === null) return [];
  const patterns =
    known.get(version.name) ??
    routesOf({ resources }).map(
      (route) => [new RegExp(`^${route.path.replace(/\{\w+\}/g, "[^/]+")}/?$`), route] as const,
    );
  known.set(version.name, patterns);
  return patterns;
}

const schemas = new WeakMap<Route, Map<number, z.ZodType>>();

/** What every answer of a status promises, as its route declares it. */
function schemaOf(route: Route, status: SuccessStatus): z.ZodType | undefined {
  const known = schemas.get(route) ?? new Map<number, z.ZodType>();
  schemas.set(route, known);
  const declared = route.answers[status];
  if (declared === undefined || known.has(status)) return known.get(status);
  const meta = z.strictObject({ request_id: z.string(), timestamp: z.string(), ...declared.meta });
  known.set(status, z.strictObject({ success: z.literal(true), data: declared.data, meta }));
  return known.get(status);
}

const OPTIONAL_HEADERS = ["etag", "location", "link", "idempotent-replayed", "content-disposition"];

/** Checks an answer against what its route says of itself: its status, error code, headers, data and meta. */
export function checkDeclared(
  version: Version,
  method: string,
  path: string,
  { status, headers, body }: Answer,
  what: string,
): void {
  const route = routeOf(version, method, path);
  // 405 is about the path, 304 about a copy.
  if (route === undefined || status === 304 || status === 405 || headers.get("x-api-version") === null) return;
  if (status >= 300) {
    if (body !== null)
      expect(errorsOf(route), `${what}: an error code that ${route.operation} declares`).toContain(body.error.code);
    return;
  }
  if (isDocument({ headers, body })) {
    expect(status, what).toBe(200);
    if (body !== null) route.document?.parse(body);
    expect(route.document, what).toBeDefined();
    return;
  }
  const isFile = headers.has("content-disposition");
  expect(isFile ? route.file : Object.keys(route.answers), what).toContain(
    isFile ? headers.get("content-type") : String(status),
  );
  // Any answer of a deprecated version links to what is said of that.
  const isDeclared = (name: string) => name !== "link" || headers.get(name)?.includes('rel="next"');
  const sent = OPTIONAL_HEADERS.filter((name) => headers.has(name) && isDeclared(name));
  expect(
    route.headers.map((name) => name.toLowerCase()),
    what,
  ).toEqual(expect.arrayContaining(sent));
  if (body === null) return;
  const { error } = schemaOf(route, status as SuccessStatus)?.safeParse(body) ?? {};
  if (error !== undefined)
    throw new Error(`${route.operation} does not declare this: ${z.prettifyError(error)}\n${what}`);
}

function routeOf(version: Version, method: string, path: string): Route | undefined {
  const [bare = ""] = path.split("?");
  const at = patternsOf(version)
    .filter(([pattern]) => pattern.test(bare))
    .map(([, route]) => route);
  return at.find((route) => route.method === (method === "HEAD" ? "GET" : method));
}
