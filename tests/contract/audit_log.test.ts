import { beforeAll, describe, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { database, stack } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createWorkspace } from "../harness/workspace.ts";

type Workspace = Awaited<ReturnType<typeof createWorkspace>>;
type Entry = {
  id: string;
  action: string;
  actor: { type: string; name: string };
  targets: { id: string; type: string }[];
};

let mine: Workspace;
let owner: Client;

beforeAll(async () => {
  mine = await createWorkspace();
  owner = new Client(stack().apiUrl, await sessionToken(mine.userId));
});

const entries = async (query = ""): Promise<Entry[]> => (await owner.get(`/audit_log?sort=occurred_at&${query}`)).data;

test("each act on a key is told with who, what, from where and what changed", async () => {
  const headers = { "user-agent": "curl/8", "idempotency-key": crypto.randomUUID() };
  const { data: key, meta } = await owner.post("/api_keys", { name: "Told", scope: "full_access" }, headers);
  const { data: next } = await owner.post(`/api_keys/${key.id}/roll`);
  await owner.patch(`/api_keys/${next.id}`, { name: "Renamed", scope: "read_only" });
  await owner.patch(`/api_keys/${next.id}`, { name: "Renamed" }); // Changes nothing, so there is nothing to tell.
  await new Client(stack().apiUrl, next.key).post("/api_keys/current/revoke");
  await owner.post("/api_keys?dry_run=true", { name: "Never", scope: "full_access" });
  await owner.post("/api_keys", { name: "Told", scope: "full_access" }, headers); // 409

  const told = await entries("action=api_key.created,api_key.rolled,api_key.updated,api_key.revoked");
  const keyTarget = (id: string, name: string) => ({ type: "api_key", id, name });
  const people = { type: "user", id: mine.userId, name: "Olive Owner" };
  expect(told).toMatchObject([
    {
      action: "api_key.created",
      actor: people,
      targets: [keyTarget(key.id, "Told")],
      context: { ip: "127.0.0.1", user_agent: "curl/8", request_id: meta.request_id },
      changes: {
        name: { from: null, to: "Told" },
        scope: { from: null, to: "full_access" },
        allowed_ips: { from: null, to: [] },
      },
    },
    { action: "api_key.rolled", actor: people, targets: [keyTarget(key.id, "Told"), keyTarget(next.id, "Told")] },
    {
      action: "api_key.updated",
      actor: people,
      targets: [keyTarget(next.id, "Renamed")],
      changes: { name: { from: "Told", to: "Renamed" }, scope: { from: "full_access", to: "read_only" } },
    },
    { action: "api_key.revoked", actor: { type: "api_key", id: next.id, name: "Renamed" } },
  ]);
  expect(JSON.stringify(told)).not.toMatch(/anx_(live|test)_/);
  const [first] = told;
  expect((await owner.get(`/audit_log/${first?.id}`)).data).toEqual(first);
});

test("signing in is told once for each session", async () => {
  const workspace = await createWorkspace();
  const token = await sessionToken(workspace.userId);
  const other = new Client(stack().apiUrl, await sessionToken(workspace.userId));
  const signedIn = new Client(stack().apiUrl, token);
  for (let at = 0; at < 3; at++) await signedIn.get("/me");
  await other.get("/me");
  const told = async () => (await signedIn.get("/audit_log?action=user.signed_in")).data;
  await expect.poll(async () => (await told()).length, { timeout: 20_000 }).toBe(2);
  expect((await told())[0].actor).toEqual({ type: "user", id: workspace.userId, name: "Olive Owner" });
});

test("is exported as NDJSON and CSV", async () => {
  const response = await fetch(`${stack().apiUrl}/v1/audit_log/export?sort=occurred_at`, {
    headers: { authorization: `Bearer ${owner.key}` },
  });
  expect(response.headers.get("content-type")).toContain("ndjson");
  const lines = (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.length).toBeGreaterThan(3);
  const listed = await entries("action=api_key.created");
  expect(lines).toContainEqual(listed[0]);
});

test("is for owners and admins, and each workspace has its own", async () => {
  const other = await createWorkspace();
  const stranger = new Client(stack().apiUrl, await sessionToken(other.userId));
  const [entry] = await entries();
  expect((await stranger.get(`/audit_log/${entry?.id}`)).status).toBe(404);
  expect((await stranger.get("/audit_log")).data.map(({ action }: Entry) => action)).not.toContain("api_key.created");
  expect((await mine.client.get("/audit_log")).error.code).toBe("user_required");
  await database()`update crm.members set role = 'member' where user_id = ${other.userId}`;
  const member = new Client(stack().apiUrl, await sessionToken(other.userId));
  expect((await member.get("/audit_log")).error).toMatchObject({
    code: "insufficient_role",
    details: { required_role: "admin" },
  });
});

describe("an entry stays as it is", () => {
  test.each([
    ["changed", "update crm.audit_log set action = 'x'"],
    ["deleted", "delete from crm.audit_log"],
    ["deleted with all others", "truncate crm.audit_log"],
    ["deleted as by a replica", "set session_replication_role = replica; delete from crm.audit_log"],
  ])("and can't be %s, not even by the owner of the table", async (_, statement) => {
    await expect(database().unsafe(statement)).rejects.toThrow("append-only");
  });
});

test("beyond 5,000 acts a day there are no more", async () => {
  const busy = await createWorkspace();
  await database()`
    insert into crm.audit_log (workspace_id, actor, action, targets, context)
    select ${busy.workspaceId}, '{}', 'api_key.created', '[]', '{}' from generate_series(1, 5000)`;
  const signedIn = new Client(stack().apiUrl, await sessionToken(busy.userId));
  const { status, error, headers } = await signedIn.post("/api_keys", { name: "x", scope: "read_only" });
  expect({ status, code: error.code }).toEqual({ status: 429, code: "too_many_acts" });
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(86_000);
  expect((await busy.client.post("/api_keys/current/revoke")).status).toBe(200);
});
