import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createReportVerifier, type ReportVerifier } from "../../shared/auth/report_signature.ts";

const REPORT = Buffer.from(
  '[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/"}]',
);
const MINUTE = 60_000;

const newPair = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const sign = (bytes: Buffer, key: KeyObject) => createSign("sha256").update(bytes).sign(key).toString("base64");
const first = newPair();
const second = newPair();

let listed: { key_identifier: string; key: string; is_current: boolean }[];
let asked: number;
let status: number;
let time: number;
let verifier: ReportVerifier;
let server: ReturnType<typeof createServer>;

const list = (identifier: string, { publicKey }: { publicKey: KeyObject }) => ({
  key_identifier: identifier,
  key: publicKey.export({ type: "spki", format: "pem" }) as string,
  is_current: true,
});

beforeEach(async () => {
  [asked, status, time] = [0, 200, 0];
  listed = [list("one", first)];
  server = createServer((request, response) => {
    asked += 1;
    // As GitHub does.
    if (request.headers["user-agent"] === undefined) status = 403;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ public_keys: listed }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  verifier = createReportVerifier(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, () => time);
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const check = (identifier: string, signature: string, bytes: Buffer = REPORT) =>
  verifier(bytes, { identifier, signature });

test("a report that GitHub has signed is told from one that it has not", async () => {
  const good = sign(REPORT, first.privateKey);
  expect(await check("one", good)).toBe(true);
  expect(await check("one", sign(REPORT, second.privateKey))).toBe(false);
  expect(await check("one", good, Buffer.from(`${REPORT} `))).toBe(false);
  for (const nonsense of ["", "AAAA", "not base64!", good.slice(4), Buffer.alloc(64, 1).toString("base64")])
    expect(await check("one", nonsense), nonsense).toBe(false);
  expect(await check("another", good)).toBe(false);
});

test("the signature is DER, not the r and s side by side of WebCrypto", async () => {
  const raw = createSign("sha256").update(REPORT).sign({ key: first.privateKey, dsaEncoding: "ieee-p1363" });
  expect(await check("one", raw.toString("base64"))).toBe(false);
});

describe("GitHub's keys are asked for", () => {
  const good = () => check("one", sign(REPORT, first.privateKey));

  test("once, however many reports come at once and within the hour", async () => {
    expect(await Promise.all([good(), good(), good()])).toEqual([true, true, true]);
    time += 59 * MINUTE;
    expect(await good()).toBe(true);
    expect(asked).toBe(1);
  });

  test("again after an hour: one that was withdrawn is believed no longer", async () => {
    expect(await good()).toBe(true);
    listed = [list("two", second)];
    time += 60 * MINUTE;
    expect(await good()).toBe(false);
    expect(asked).toBe(2);
  });

  test("once more for an unknown identifier, but not for each that somebody makes up", async () => {
    expect(await good()).toBe(true);
    time += MINUTE;
    listed.push(list("two", second));
    expect(await check("two", sign(REPORT, second.privateKey))).toBe(true);
    for (let n = 0; n < 10; n++) expect(await check(`made up ${n}`, "AAAA")).toBe(false);
    expect(asked).toBe(2);
  });

  test("in vain while GitHub is away, which is not the report's fault, and not by each of them", async () => {
    status = 500;
    for (let n = 0; n < 5; n++) await expect(good()).rejects.toMatchObject({ code: "service_unavailable" });
    expect(asked).toBe(1);
    [status, time] = [200, time + MINUTE];
    expect(await good()).toBe(true);
    // Known ones serve on while it is away again.
    status = 500;
    time += MINUTE;
    await expect(check("two", sign(REPORT, second.privateKey))).rejects.toMatchObject({ code: "service_unavailable" });
    expect(await good()).toBe(true);
  });
});

test("a list with something else than keys is as good as none", async () => {
  listed = [{ key_identifier: "one", key: "not a key", is_current: true }];
  await expect(check("one", sign(REPORT, first.privateKey))).rejects.toMatchObject({ code: "service_unavailable" });
});
