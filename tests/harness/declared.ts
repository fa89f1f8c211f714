import { expect } from "vitest";
import { z } from "zod";
import { routes } from "../../functions/api/routes.ts";
import { errorsOf, type Route, type SuccessStatus } from "../../shared/http/route.ts";
import type { Answer } from "./client.ts";

const patterns = routes.map((route) => [new RegExp(`^${route.path.replace(/\{\w+\}/g, "[^/]+")}/?$`), route] as const);

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
export function checkDeclared(method: string, path: string, { status, headers, body }: Answer, what: string): void {
  const route = routeOf(method, path);
  // 405 is about the path, 304 about a copy.
  if (route === undefined || status === 304 || status === 405 || headers.get("x-api-version") === null) return;
  if (status >= 300) {
    if (body !== null)
      expect(errorsOf(route), `${what}: an error code that ${route.operation} declares`).toContain(body.error.code);
    return;
  }
  const isFile = headers.has("content-disposition");
  expect(isFile ? route.file : Object.keys(route.answers), what).toContain(
    isFile ? headers.get("content-type") : String(status),
  );
  const sent = OPTIONAL_HEADERS.filter((name) => headers.has(name));
  expect(
    route.headers.map((name) => name.toLowerCase()),
    what,
  ).toEqual(expect.arrayContaining(sent));
  if (body === null) return;
  const { error } = schemaOf(route, status as SuccessStatus)?.safeParse(body) ?? {};
  if (error !== undefined)
    throw new Error(`${route.operation} does not declare this: ${z.prettifyError(error)}\n${what}`);
}

function routeOf(method: string, path: string): Route | undefined {
  const [bare = ""] = path.split("?");
  const at = patterns.filter(([pattern]) => pattern.test(bare)).map(([, route]) => route);
  return at.find((route) => route.method === (method === "HEAD" ? "GET" : method));
}
