import { beforeAll, describe, expect, test } from "vitest";
import { checkAnswer } from "../harness/client.ts";
import { stack } from "../harness/stack.ts";
import { createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

const MIB = 1024 * 1024;

let mine: TestKey;
beforeAll(async () => {
  mine = await createWorkspace();
});

/** Sends raw bytes; in chunks, without a content-length, when they come as a stream. */
async function send(path: string, body: BodyInit | undefined, headers: Record<string, string> = {}) {
  const response = await fetch(`${stack().functionUrl}/v1${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${mine.key}`, "content-type": "application/json", ...headers },
    ...(body !== undefined && { body, duplex: "half" }),
  } as RequestInit);
  const answer = { status: response.status, headers: response.headers, body: await response.json() };
  checkAnswer(answer, `POST ${path}`);
  return { ...answer, code: answer.body.error?.code };
}

function chunked(text: string): ReadableStream {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + 65_536));
      at += 65_536;
    },
  });
}

/** A valid contact in exactly so many bytes. */
function contactOf(bytes: number): string {
  const bare = JSON.stringify({ email: freshEmail() });
  return bare + " ".repeat(bytes - bare.length);
}

describe("size", () => {
  test("a body of exactly 1 MiB passes, one byte more is 413 with the limit", async () => {
    expect((await send("/contacts", contactOf(MIB))).status).toBe(201);
    const { code, body } = await send("/contacts", contactOf(MIB + 1));
    expect({ code, details: body.error.details }).toEqual({ code: "payload_too_large", details: { max_bytes: MIB } });
  });

  test("the limit holds for a chunked body that announces no length", async () => {
    expect((await send("/contacts", chunked(contactOf(MIB)))).status).toBe(201);
    expect((await send("/contacts", chunked(contactOf(MIB + 1)))).code).toBe("payload_too_large");
    expect((await send("/contacts/bulk", chunked(contactOf(5 * MIB + 1)))).code).toBe("payload_too_large");
  });

  test("bulk takes 5 MiB", async () => {
    const bulk = `{"records":[${contactOf(5 * MIB - 14)}]}`;
    expect(bulk.length).toBe(5 * MIB);
    expect((await send("/contacts/bulk", bulk)).status).toBe(201);
  });
});

describe("content type", () => {
  test.each(["application/json", "application/json; charset=utf-8", "Application/JSON ; charset=UTF-8"])(
    "%s is taken",
    async (type) => {
      expect((await send("/contacts", JSON.stringify({ email: freshEmail() }), { "content-type": type })).status).toBe(
        201,
      );
    },
  );

  test.each(["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonp", ""])(
    "%j is 415",
    async (type) => {
      const { status, code } = await send("/contacts", JSON.stringify({ email: freshEmail() }), {
        "content-type": type,
      });
      expect({ status, code }).toEqual({ status: 415, code: "unsupported_media_type" });
    },
  );
});

describe("syntax", () => {
  test.each<[string, BodyInit]>([
    ["cut off", '{"email":'],
    ["a text", '"x"'],
    ["a number", "7"],
    ["null", "null"],
    ["a list", "[]"],
    ["two values", "{}{}"],
    ["a comment", "{/**/}"],
    ["bytes that are no UTF-8", new Uint8Array([123, 34, 255, 34, 125])],
    ["nested 33 deep", `${'{"a":'.repeat(33)}1${"}".repeat(33)}`],
    ["nested 50,000 deep", "[".repeat(50_000)],
  ])("%s is 400 malformed_json", async (_name, body) => {
    const { status, code } = await send("/contacts", body);
    expect({ status, code }).toEqual({ status: 400, code: "malformed_json" });
  });

  test("no body at all is an empty object", async () => {
    expect((await send("/contacts", undefined)).body.error.details).toEqual({
      email: ["The email field is required."],
    });
  });

  test("members of every object's prototype are unknown fields like any other", async () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      const { status, body } = await send("/contacts", `{"email":"${freshEmail()}","${name}":{"x":1}}`);
      expect({ status, told: Object.keys(body.error?.details ?? {}) }, name).toEqual({ status: 400, told: [name] });
    }
  });
});
