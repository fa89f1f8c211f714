import { request as httpRequest } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { generateApiKey } from "../../shared/auth/key_format.ts";
import { stack } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// fuzz.test.ts sends well-made requests with strange values. These are strange already as bytes.

const CASES = 3_000;
const PARALLEL = 25;

interface Raw {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer;
}

/** Sends what fetch would refuse or repair. Undefined where the server's HTTP parser hung up. */
function send(
  { method, path, headers, body }: Raw,
  key: string,
): Promise<{ status: number; text: string } | undefined> {
  return new Promise((resolve) => {
    const { port, pathname } = new URL(stack().functionUrl);
    const outgoing = httpRequest(
      {
        port,
        method,
        path: pathname + path,
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk) => chunks.push(chunk));
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      },
    );
    outgoing.on("error", () => resolve(undefined));
    outgoing.end(body);
  });
}

const deep = fc
  .integer({ min: 1, max: 3000 })
  .chain((levels) =>
    fc.constantFrom(
      `${'{"and":['.repeat(levels)}${"]}".repeat(levels)}`,
      `{"filter":${'{"not":'.repeat(levels)}{"field":"score","op":"eq","value":1}${"}".repeat(levels)}}`,
      `{"email":${"[".repeat(levels)}${"]".repeat(levels)}}`,
    ),
  );
const brokenJson = fc
  .tuple(
    fc.jsonValue(),
    fc.nat(),
    fc.constantFrom("", ",", "}", "]", '"', "\\", "\\u0000", "\\ud800", "1e999", "-", "\0", "\ufeff"),
  )
  .map(([value, at, piece]) => {
    const text = JSON.stringify({ email: "x@y.example", custom_fields: value, records: [value], filter: value }) ?? "";
    const place = at % text.length;
    return text.slice(0, place) + piece + text.slice(place);
  });
const strangeJson = fc.constantFrom(
  '{"__proto__":{"email":"a@b.co"},"constructor":{"prototype":{}}}',
  '{"email":"a@b.co","email":null}',
  `{"email":"a@b.co","score":1e400}`,
  `{"email":"a@b.co","score":${"9".repeat(400)}}`,
  `{"email":"a@b.co","score":-0.0}`,
  `{"email":"${"a".repeat(300)}@b.co"}`,
  '{"email":"a@b.co","first_name":"\\udc00\\ud800"}',
  '{"email":"a@b.co","\\u0000":1}',
  '{"":""}',
  '{"ids":["__proto__",{},[],null,1e308]}',
  '{"records":[[],{},null,1,"x",{"id":{}},{"email":{"toString":1}}]}',
);
const body = fc
  .oneof(deep, brokenJson, strangeJson, fc.string(), fc.json())
  .map((text) => Buffer.from(text))
  .chain((bytes) =>
    fc.constantFrom(bytes, bytes.subarray(0, bytes.length / 2), Buffer.concat([bytes, Buffer.from([0xff])])),
  );

const path = fc
  .tuple(
    fc.constantFrom(
      "/v1/contacts",
      "/contacts",
      "/v1/contacts/search",
      "/v1/contacts/bulk",
      "/v1/contacts/",
      "/v1",
      "/v2/x",
      "//",
      "/v1//contacts",
    ),
    fc.oneof(
      fc.constant(""),
      fc
        .array(
          fc.constantFrom(
            "%",
            "%00",
            "%ff",
            "%ZZ",
            "%c0%80",
            "..",
            "/",
            "?",
            "&",
            "=",
            "[",
            "]",
            ";",
            "a",
            "id",
            "limit",
            "cursor",
            "%ed%a0%80",
          ),
          { maxLength: 8 },
        )
        .map((parts) => parts.join("")),
      fc.base64String({ maxLength: 60 }).map((text) => `?cursor=${encodeURIComponent(text)}`),
    ),
  )
  .map(([base, rest]) => base + rest);

const printable = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
  maxLength: 60,
});
const header = fc.dictionary(
  fc.constantFrom(
    "authorization",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "content-type",
    "accept",
    "x-workspace-id",
    "x-forwarded-proto",
    "x-forwarded-for",
    "origin",
    "access-control-request-headers",
    "x-request-id",
    "range",
    "expect",
  ),
  fc.oneof(
    printable,
    fc.constantFrom(
      "Bearer",
      "Bearer ",
      "Bearer a.b.c",
      `Bearer ${generateApiKey("live").key}`,
      "*",
      '""',
      "https",
      "application/json;;;",
      "::1",
      "999.1.1.1, x",
    ),
  ),
  { maxKeys: 3 },
);

const request = fc.record(
  { method: fc.constantFrom("GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "PUT"), path, headers: header, body },
  { requiredKeys: ["method", "path", "headers"] },
);

test(`no bytes, however broken, are answered 5xx or with anything but the envelope: ${CASES} cases`, async () => {
  const { key, client } = await createWorkspace();
  const cases = fc.sample(request, CASES);
  const failures: unknown[] = [];
  const statuses = new Map<number, number>();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let one = cases.pop(); one !== undefined; one = cases.pop()) {
        const { body: bytes, ...rest } = one;
        const raw: Raw = {
          ...rest,
          ...(bytes !== undefined && !["GET", "HEAD"].includes(one.method) && { body: bytes }),
        };
        if (raw.headers["x-forwarded-for"] === undefined) raw.headers["x-forwarded-for"] = `10.${Math.random()}`;
        const answer = await send(raw, key);
        if (answer === undefined) continue;
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        const enveloped = answer.text === "" || answer.text.startsWith('{"success":');
        if (answer.status >= 500 || !enveloped)
          failures.push({ ...raw, body: raw.body?.toString().slice(0, 200), answer });
      }
    }),
  );
  expect(failures.slice(0, 3)).toEqual([]);
  for (const status of [200, 400, 401, 404, 405]) expect(statuses.get(status) ?? 0, `of ${status}`).toBeGreaterThan(0);
  expect((await client.post("/contacts", { email: freshEmail() })).status).toBe(201);
});

test.each(["a b", "x:99999", "[::1", "Bearer x"])(
  "a Host header that can't be (%j) is the client's error",
  async (host) => {
    const { key } = await createWorkspace();
    const answer = await send({ method: "GET", path: "/v1/health", headers: { host } }, key);
    expect(answer?.status).toBe(400);
  },
);
