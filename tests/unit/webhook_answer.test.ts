import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_ANSWER_BYTES, MAX_ANSWER_KEPT_BYTES } from "../../shared/bounds.ts";
import { keptText, readAnswer } from "../../shared/webhooks/answer.ts";

/** Bytes that come in these pieces and then end; after the last, `read` counts on. */
function source(text: string, size = text.length) {
  const bytes = new TextEncoder().encode(text);
  const all = {
    taken: 0,
    async read(into: Uint8Array) {
      if (all.taken >= bytes.length) return null;
      const piece = bytes.subarray(all.taken, all.taken + Math.min(size, into.length));
      into.set(piece);
      all.taken += piece.length;
      return piece.length;
    },
  };
  return all;
}

const read = async (text: string, size?: number) => {
  const { status, body, headers } = await readAnswer(source(text, size));
  return { status, text: keptText(body), headers: Object.fromEntries(headers) };
};

test.each([
  ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"],
  ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", 200, "ok"],
  ["HTTP/1.0 200\r\n\r\nto the end", 200, "to the end"],
  ["HTTP/1.1 200 OK\n\nlines without CR", 200, "lines without CR"],
  ["HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, ""],
  ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, ""],
  ["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", 302, ""],
  [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nTrailer: x\r\n\r\n",
    200,
    "abcde",
  ],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 99\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, "a"],
  ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", 201, ""],
  ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nnot HTTP", 101, ""],
])("%j is read, however it is cut into pieces", async (text, status, body) => {
  for (const size of [text.length, 1, 2, 7]) expect(await read(text, size)).toMatchObject({ status, text: body });
});

test.each([
  ["", "connection"],
  ["HTTP/1.1 20", "connection"],
  ["HTTP/1.1 200 OK\r\nA: b\r\n", "connection"],
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "connection"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "connection"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "connection"],
  ["HTTP/2 200\r\n\r\n", "protocol"],
  ["HTTP/1.1 99 No\r\n\r\n", "protocol"],
  ["HTTP/1.1 2000 No\r\n\r\n", "protocol"],
  ["SSH-2.0-OpenSSH_9.6\r\n", "protocol"],
  ["<html>\n", "protocol"],
  ["HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "protocol"],
  ["HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "protocol"],
  ["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"],
  ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "protocol"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab", "protocol"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "protocol"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "protocol"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "protocol"],
  [`HTTP/1.1 200 OK\r\nA: ${"b".repeat(20_000)}\r\n\r\n`, "protocol"],
  [`HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(5000)}\r\n`, "protocol"],
  ["HTTP/1.1 100 Continue\r\n\r\n".repeat(5000), "protocol"],
  ["x".repeat(100_000), "protocol"],
])("%j is no answer", async (text, kind) => {
  for (const size of [text.length, 1000]) await expect(read(text, size)).rejects.toMatchObject({ kind });
});

const LONG = "x".repeat(3 * MAX_ANSWER_BYTES);
test.each([
  `HTTP/1.1 200 OK\r\nContent-Length: ${LONG.length}\r\n\r\n${LONG}`,
  `HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999999\r\n\r\n${LONG}`,
  `HTTP/1.1 200 OK\r\n\r\n${LONG}`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${LONG.length.toString(16)}\r\n${LONG}\r\n0\r\n\r\n`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(50_000)}`,
])("of a body without end the beginning is read", async (text) => {
  const bytes = source(text);
  const { status, body } = await readAnswer(bytes);
  expect([status, body.length, bytes.taken]).toEqual([200, MAX_ANSWER_KEPT_BYTES, MAX_ANSWER_BYTES]);
});

test("headers are found by any case, without the space around them, the first of two", async () => {
  const { headers } = await read(
    "HTTP/1.1 429 No\r\nRETRY-After: \t 5 \r\nA:\r\nretry-after: 9\r\nContent-Length: 0\r\n\r\n",
  );
  expect(headers).toEqual({ "retry-after": "5", a: "", "content-length": "0" });
});

test("whatever comes, an answer is read or refused, and no more than the bound is read", async () => {
  const heads = fc.constantFrom(
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 ",
    "",
  );
  await fc.assert(
    fc.asyncProperty(
      heads,
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      async (...args) => {
        const [head, rest, size] = args;
        const result = await read(head + rest, size).catch((error) => error.kind);
        expect(typeof result === "object" || ["protocol", "connection"].includes(result)).toBe(true);
      },
    ),
  );
});

test("what is kept is text that Postgres takes, in no more bytes than the bound, without half a character", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  expect(keptText(encode("né\0e"))).toBe("né\ufffde");
  expect(keptText(encode(`${"x".repeat(1023)}é`).subarray(0, 1024))).toBe("x".repeat(1023));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: MAX_ANSWER_KEPT_BYTES, minLength: 900 }), (bytes) => {
      const text = keptText(bytes);
      expect(encode(text).length).toBeLessThanOrEqual(MAX_ANSWER_KEPT_BYTES);
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toContain("\0");
    }),
  );
});
