import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseAuthorization } from "../../shared/auth/authorization.ts";
import { generateApiKey, hashApiKey, isWellFormedApiKey } from "../../shared/auth/key_format.ts";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

test("a key is its prefix, 30 characters and 6 of their CRC-32 in base62", () => {
  for (const mode of ["live", "test"] as const) {
    const { key, prefix } = generateApiKey(mode);
    expect(prefix).toBe(`anx_${mode}`);
    expect(key).toMatch(new RegExp(`^anx_${mode}_[0-9A-Za-z]{36}$`));
    const number = [...key.slice(-6)].reduce((sum, digit) => sum * 62 + BASE62.indexOf(digit), 0);
    expect(number).toBe(crc32(key.slice(0, -6)));
  }
});

test("what is stored is the SHA-256, and no two keys are alike", () => {
  const keys = Array.from({ length: 1000 }, () => generateApiKey("live"));
  expect(new Set(keys.map(({ key }) => key)).size).toBe(1000);
  for (const { key, lastFour, hashHex } of keys.slice(0, 20)) {
    expect(hashHex).toBe(createHash("sha256").update(key).digest("hex"));
    expect(hashApiKey(key)).toBe(hashHex);
    expect(key.endsWith(lastFour)).toBe(true);
    expect(isWellFormedApiKey(key)).toBe(true);
  }
});

test("each character of a key is a random one: all 62 occur, none twice as often as expected", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 2000; i++)
    for (const char of generateApiKey("live").key.slice(9, 39)) counts.set(char, (counts.get(char) ?? 0) + 1);
  expect([...counts.keys()].sort().join("")).toBe([...BASE62].sort().join(""));
  expect(Math.max(...counts.values())).toBeLessThan((2 * 60_000) / 62);
});

test("one wrong character anywhere makes another key, never a valid one", () => {
  const { key } = generateApiKey("live");
  fc.assert(
    fc.property(fc.integer({ min: 9, max: key.length - 1 }), fc.constantFrom(...BASE62), (at, char) => {
      fc.pre(key[at] !== char);
      expect(isWellFormedApiKey(key.slice(0, at) + char + key.slice(at + 1))).toBe(false);
    }),
  );
});

test("no other text is a key, a live one is no test key, and nothing may stand around it", () => {
  const { key } = generateApiKey("live");
  for (const text of [
    "",
    key.slice(0, -1),
    `${key}0`,
    ` ${key}`,
    `${key}\n`,
    key.replace("live", "test"),
    key.toUpperCase(),
  ])
    expect(isWellFormedApiKey(text), text).toBe(false);
  fc.assert(fc.property(fc.string(), (text) => !isWellFormedApiKey(text)));
});

test("an Authorization header is a key, a session, or says what is wrong with it", () => {
  const { key } = generateApiKey("live");
  const codeOf = (header: string | null) => {
    try {
      return parseAuthorization(header).kind;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const expected: Record<string, (string | null)[]> = {
    api_key: [`Bearer ${key}`, `bearer ${key}`, `BEARER ${key}`],
    session: ["Bearer a.b.c", "Bearer a.b.", "Bearer a.b", "Bearer a.b.c.d"],
    invalid_session: [`Bearer ${"a".repeat(9000)}.b.c`],
    missing_api_key: [null, ""],
    malformed_authorization: [
      key,
      `Token ${key}`,
      `Bearer  ${key}`,
      `Bearer\t${key}`,
      `Bearer ${key} x`,
      "Bearer",
      `Bearer${key}`,
    ],
    invalid_api_key: ["Bearer x", `Bearer ${key}x`, "Bearer abc"],
  };
  for (const [code, headers] of Object.entries(expected))
    for (const header of headers) expect(codeOf(header), String(header)).toBe(code);
});
