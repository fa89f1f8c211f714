import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateApiKey } from "../../shared/auth/key_format.ts";
import { Client } from "../harness/client.ts";
import { mailsTo, mailTo } from "../harness/mailbox.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

const IDENTIFIER = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c";
const TYPE = "automatenexus_crm_api_key";
const PAGE = "https://github.com/octocat/hello/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt";

const github = generateKeyPairSync("ec", { namedCurve: "P-256" });
const somebody = generateKeyPairSync("ec", { namedCurve: "P-256" });
const published = createServer((_request, response) => {
  const key = github.publicKey.export({ type: "spki", format: "pem" });
  response.end(JSON.stringify({ public_keys: [{ key_identifier: IDENTIFIER, key, is_current: true }] }));
});
let api: Awaited<ReturnType<typeof startAnotherFunction>>;

beforeAll(async () => {
  await new Promise<void>((resolve) => published.listen(0, "127.0.0.1", resolve));
  const { port } = published.address() as AddressInfo;
  api = await startAnotherFunction({ SECRET_SCANNING_KEYS_URL: `http://127.0.0.1:${port}/`, LOG_LEVEL: "debug" });
});
afterAll(() => {
  published.close();
});

const signed = (text: string, { privateKey } = github) => ({
  "github-public-key-identifier": IDENTIFIER,
  "github-public-key-signature": createSign("sha256").update(text).sign(privateKey).toString("base64"),
  // Each as somebody else: what is refused counts.
  "x-forwarded-for": randomUUID(),
});

/** A report as GitHub sends it; `null` for a header leaves it out. */
async function report(body: unknown, headers: Record<string, string | null> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const sent = Object.entries({ ...signed(text), ...headers }).filter(([, value]) => value !== null);
  return new Client(api.baseUrl, null).call("/leaked_keys", {
    method: "POST",
    body: text,
    headers: Object.fromEntries(sent) as Record<string, string>,
  });
}

const found = (token: string, url = PAGE) => ({ token, type: TYPE, url, source: "content" });
const verdict = (token: string, label: string) => ({
  token_hash: createHash("sha256").update(token).digest("hex"),
  token_type: TYPE,
  label,
});

/** A workspace of an owner, an admin and a member with addresses of their own, and a client of its owner. */
async function team(parentId?: string) {
  const workspace = await createWorkspace({ ...(parentId !== undefined && { parentId }) });
  const people: Record<string, string> = { owner: freshEmail(), admin: freshEmail(), member: freshEmail() };
  await database()`update crm.members set email = ${people["owner"] ?? ""} where id = ${workspace.ownerId}`;
  for (const role of ["admin", "member"]) {
    const { ownerId } = await createWorkspace();
    await database()`
      update crm.members set workspace_id = ${workspace.workspaceId}, role = ${role}, email = ${people[role] ?? ""} where id = ${ownerId}`;
  }
  return { ...workspace, people, owner: new Client(stack().apiUrl, await sessionToken(workspace.userId)) };
}

test("a key that was found is revoked at once, noted, and told to owners and admins", async () => {
  const { key, id, client, owner, people } = await team();
  const { status, body } = await report([found(key)]);
  expect({ status, body }).toEqual({ status: 200, body: [verdict(key, "true_positive")] });
  expect((await client.get("/contacts")).error.code).toBe("invalid_api_key");
  expect((await owner.get(`/api_keys/${id}`)).data).toMatchObject({
    state: "revoked",
    revoked_by: { type: "system", id: null },
  });
  const [entry] = (await owner.get("/audit_log?action=api_key.leaked")).data;
  expect(entry).toMatchObject({
    actor: { type: "system", id: null, name: null },
    targets: [{ type: "api_key", id, name: "test" }],
    changes: { source: { from: null, to: "github" }, url: { from: null, to: PAGE } },
  });
  const [told] = (await owner.get("/events?types=api_key.leaked")).data;
  expect(told).toMatchObject({
    record_id: id,
    actor: { type: "system", id: null },
    data: { state: "revoked" },
    changes: entry.changes,
  });
  for (const role of ["owner", "admin"]) {
    const mail = await mailTo(people[role] ?? "");
    expect(mail.subject).toContain('The API key "test" of Test');
    expect(mail.text).toContain(PAGE);
    expect(mail.text).toContain(`which ends in ${key.slice(-4)},`);
    expect(JSON.stringify(mail)).not.toContain(key);
  }
  expect(await mailsTo(people["member"] ?? "")).toEqual([]);
});

test("told again, a key is still one of ours, and nobody hears of it twice", async () => {
  const { key, owner, workspaceId } = await team();
  const twice = [found(key), found(key, `${PAGE}#again`)];
  const known = [verdict(key, "true_positive"), verdict(key, "true_positive")];
  const answers = await Promise.all([report(twice), report(twice), report(twice)]);
  expect(answers.map(({ body }) => body)).toEqual([known, known, known]);
  expect((await report(twice)).body).toEqual(known);
  expect((await owner.get("/audit_log?action=api_key.leaked")).data).toHaveLength(1);
  const [mails] = await database()`select count(*)::integer from crm.mails where workspace_id = ${workspaceId}`;
  expect(mails?.["count"]).toBe(2);
});

test("what only looks like a key, one of nobody, and one that had expired are told from those that were good", async () => {
  const { workspaceId, key } = await team();
  const expired = await createKey({ workspaceId, expiresAt: new Date(Date.now() - 1000) });
  const tokens = ["anx_live_nonsense", generateApiKey("live").key, expired.key, key, ""];
  const { body } = await report(tokens.map((token) => found(token, "")));
  const labels = ["false_positive", "false_positive", "true_positive", "true_positive", "false_positive"];
  expect(body).toEqual(tokens.map((token, at) => verdict(token, labels[at] ?? "")));
  const revoked =
    await database()`select id from crm.api_keys where workspace_id = ${workspaceId} and revoked_at is not null`;
  expect(revoked).toHaveLength(1);
});

test("a sandbox's key is told to the people of its workspace, though they have sent as many mails as they may", async () => {
  const { people, workspaceId } = await team();
  const sandbox = await createWorkspace({ parentId: workspaceId });
  await database()`update crm.members set deleted_at = now() where workspace_id = ${sandbox.workspaceId}`;
  await database()`
    insert into crm.mails (workspace_id, template, recipient, details, state)
    select ${sandbox.workspaceId}, 'invitation', 'a@mail.example', '{}', 'sent' from generate_series(1, 200)`;
  expect((await report([found(sandbox.key)])).body).toEqual([verdict(sandbox.key, "true_positive")]);
  expect((await mailTo(people["admin"] ?? "")).text).toContain(sandbox.key.slice(-4));
});

test("a thousand are one report, and one more is none", async () => {
  const many = Array.from({ length: 1000 }, () => found(generateApiKey("live").key));
  const { status, body } = await report(many);
  expect([status, body.length]).toEqual([200, 1000]);
  expect((await report([...many, found("x")])).error).toMatchObject({ code: "validation_error" });
  expect((await report([])).body).toEqual([]);
});

describe("nothing is believed", () => {
  let key: string;
  beforeAll(async () => {
    ({ key } = await createWorkspace());
  });
  const text = () => JSON.stringify([found(key)]);

  test.each([
    ["without a signature", () => ({ "github-public-key-signature": null })],
    ["without an identifier", () => ({ "github-public-key-identifier": null })],
    ["by an identifier of nobody", () => ({ "github-public-key-identifier": "a".repeat(64) })],
    ["that somebody else has signed", () => signed(text(), somebody)],
    ["whose signature is of another body", () => signed(`${text()} `)],
    ["whose signature is no base64", () => ({ "github-public-key-signature": "%%%" })],
  ])("%s", async (_what, headers) => {
    const { status, error } = await report(text(), headers());
    expect({ status, code: error.code }).toEqual({ status: 401, code: "invalid_signature" });
    expect((await new Client(api.baseUrl, key).get("/me")).status).toBe(200);
  });

  test("by an address that has sent too much of it, which is not read any more", async () => {
    const from = { "x-forwarded-for": randomUUID(), "github-public-key-signature": "AAAA" };
    const codes = new Set<string>();
    for (let n = 0; n < 200 && !codes.has("rate_limit_exceeded"); n++) codes.add((await report("[]", from)).error.code);
    expect([...codes]).toEqual(["invalid_signature", "rate_limit_exceeded"]);
    // Nor is what GitHub signed: it comes from elsewhere.
    expect((await report("[]", { "x-forwarded-for": from["x-forwarded-for"] })).error.code).toBe("rate_limit_exceeded");
  });
});

test.each([
  ["is not JSON", "[", "malformed_json"],
  ["is an object", "{}", "validation_error"],
  ["lacks a token", JSON.stringify([{ type: TYPE, url: PAGE }]), "validation_error"],
  ["has what can't be kept", JSON.stringify([found("x", "a\u0000b")]), "validation_error"],
])("a signed body that %s is said to be, without a word of it", async (_what, text, code) => {
  const { error, status } = await report(text);
  expect({ status, code: error.code }).toEqual({ status: 400, code });
  expect(JSON.stringify(error)).not.toContain("github.com");
});

test("where the keys can't be read it is nobody's fault, and comes again", async () => {
  const lonely = await startAnotherFunction({ SECRET_SCANNING_KEYS_URL: "http://127.0.0.1:9/" });
  const text = JSON.stringify([found(generateApiKey("live").key)]);
  const { status, error } = await new Client(lonely.baseUrl, null).call("/leaked_keys", {
    method: "POST",
    body: text,
    headers: signed(text),
  });
  expect({ status, code: error.code }).toEqual({ status: 503, code: "service_unavailable" });
  await lonely.stop();
});

test("no log has any of the keys", async () => {
  const { key } = await createWorkspace();
  await report([found(key)]);
  await report([found(key)], signed("another"));
  const log = readFileSync(api.logFile, "utf8");
  expect(log).toMatch(/"operation":"leaked_keys\.report","status":401/);
  expect(log).not.toMatch(/anx_(?:live|test)_\w{36}/);
});
