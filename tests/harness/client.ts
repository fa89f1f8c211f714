import { expect } from "vitest";
import { type ApiVersion, VERSIONS } from "../../shared/http/versions.ts";
import { checkDeclared, type Version } from "./declared.ts";

const [V1] = VERSIONS as [ApiVersion];

/** An answer with its body parsed; `data` and `error` are the envelope's members. */
export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  body: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  data: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  meta: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  error: any;
}

export interface CallOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is text already. */
  body?: unknown;
}

/** Calls one API as one key. Every answer is checked for what all answers promise. */
export class Client {
  constructor(
    /** Base up to and including `/api`. */
    readonly baseUrl: string,
    readonly key: string | null,
    readonly version: Version = V1,
  ) {}

  get = (path: string, headers: Record<string, string> = {}) => this.call(path, { headers });
  post = (path: string, body: unknown = {}, headers: Record<string, string> = {}) =>
    this.call(path, { method: "POST", body, headers });
  patch = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    this.call(path, { method: "PATCH", body, headers });
  delete = (path: string, headers: Record<string, string> = {}) => this.call(path, { method: "DELETE", headers });

  /** `path` is below the version, or absolute below the base when it starts with `~`. */
  async call(path: string, { method = "GET", headers = {}, body }: CallOptions = {}): Promise<Answer> {
    const url = path.startsWith("~") ? this.baseUrl + path.slice(1) : `${this.baseUrl}/${this.version.name}${path}`;
    const response = await fetch(url, {
      method,
      redirect: "manual",
      headers: {
        ...(this.key !== null && { authorization: `Bearer ${this.key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isFile = response.headers.has("content-disposition");
    const parsed = text === "" || isFile ? null : JSON.parse(text);
    const { status } = response;
    const answer: Answer = {
      status,
      headers: response.headers,
      body: parsed,
      data: parsed?.data,
      meta: parsed?.meta,
      error: parsed?.error,
    };
    checkAnswer(answer, `${method} ${url}`, this.version.name);
    if (!path.startsWith("~"))
      checkDeclared(this.version, method, path, answer, `${method} ${url} → ${status} ${text.slice(0, 500)}`);
    return answer;
  }

  /** All records of a list, page by page. */
  async all(path: string): Promise<Record<string, unknown>[]> {
    const records: Record<string, unknown>[] = [];
    let cursor: string | null = null;
    do {
      const separator = path.includes("?") ? "&" : "?";
      const page = await this.get(cursor === null ? path : `${path}${separator}cursor=${encodeURIComponent(cursor)}`);
      expect(page.status, JSON.stringify(page.body)).toBe(200);
      records.push(...page.data);
      cursor = page.meta.next_cursor;
    } while (cursor !== null);
    return records;
  }
}

/** Whether it is of a standard's shape, which leaves no room for an envelope: what anybody may keep, or a bare list. */
export function isDocument({ headers, body }: Pick<Answer, "headers" | "body">): boolean {
  return Array.isArray(body) || (headers.get("cache-control")?.startsWith("public") ?? false);
}

/** What contract §1, §4 and §5 promise of every answer, whatever it is. */
export function checkAnswer(
  { status, headers, body }: Pick<Answer, "status" | "headers" | "body">,
  what: string,
  version = V1.name,
): void {
  const seen = `${what} → ${status} ${JSON.stringify(body)?.slice(0, 500)}`;
  for (const name of ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]) {
    expect(headers.get(name), `${name} of ${seen}`).toMatch(/^\d+$/);
  }
  const now = Math.floor(Date.now() / 1000);
  const reset = Number(headers.get("x-ratelimit-reset"));
  expect(Number(headers.get("x-ratelimit-limit")), seen).toBeGreaterThan(0);
  expect(reset, seen).toBeGreaterThanOrEqual(now - 5);
  expect(reset, seen).toBeLessThanOrEqual(now + 61);
  expect(headers.get("ratelimit-policy"), seen).toMatch(/;q=\d+;w=60/);
  expect(headers.get("ratelimit"), seen).toMatch(/;r=\d+;t=\d+/);
  expect(headers.get("x-api-version"), seen).toBe(version);
  expect(headers.get("x-request-id"), seen).toMatch(/^req_[0-9a-z]{22}$/);
  if ([204, 301, 304].includes(status) || body === null) return;

  expect(headers.get("content-type"), seen).toMatch(/^application\/json/);
  if (isDocument({ headers, body })) return;
  expect(body.success, seen).toBe(status < 400);
  expect(body.meta.request_id, seen).toBe(headers.get("x-request-id"));
  expect(body.meta.timestamp, seen).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  if (status < 400) {
    expect(body, seen).toHaveProperty("data");
    return;
  }
  expect(Object.keys(body.error).sort(), seen).toEqual(["code", "details", "message"]);
  expect(body.error.message, seen).not.toMatch(
    /postgres|pgrst|redis|upstash|constraint|relation|column|syntax error at|duplicate key/i,
  );
  if (status === 401) expect(headers.get("www-authenticate"), seen).toBe("Bearer");
  if (status === 429 || status === 503) expect(Number(headers.get("retry-after")), seen).toBeGreaterThanOrEqual(1);
}
