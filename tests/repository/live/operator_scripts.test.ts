import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DENO, ROOT } from "../../../scripts/stack/settings.ts";
import { hashApiKey } from "../../../shared/auth/key_format.ts";
import { Client } from "../../harness/client.ts";
import { database, stack } from "../../harness/stack.ts";
import { createWorkspace, freshEmail } from "../../harness/workspace.ts";

const SCRIPTS = {
  "workspaces:create": "scripts/create_workspace.ts",
  "workspaces:plan": "scripts/change_plan.ts",
  "keys:create": "scripts/create_key.ts",
};
const DEMO_SANDBOX = "00000000-0000-7000-8000-000000000004";
let serial = 0;

interface Run {
  code: number;
  printed: string;
  said: string;
}

/** An operator's script against a database, that of the tests when none is named. */
function run(name: keyof typeof SCRIPTS, args: string[], databaseUrl: string = stack().databaseUrl): Promise<Run> {
  return new Promise((resolve) =>
    execFile(
      DENO,
      ["run", "-A", "--node-modules-dir=manual", join(ROOT, SCRIPTS[name]), ...args],
      { env: { ...process.env, NO_COLOR: "1", DATABASE_URL: databaseUrl } },
      (error, printed, said) => resolve({ code: error === null ? 0 : Number(error.code), printed, said }),
    ),
  );
}

const freshName = () => `Acme ${process.pid} ${serial++}`;
const clientOf = ({ printed }: Run) => new Client(stack().functionUrl, printed.trim());

/** Somebody who has signed up, and has confirmed their address. */
async function signedUp(): Promise<string> {
  const email = freshEmail();
  await database()`insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), ${email}, now())`;
  return email;
}

test("a new workspace has its owner, and a first key that is printed once, is stored as a hash, and opens the API", async () => {
  const name = freshName();
  const owner = await signedUp();
  const created = await run("workspaces:create", ["--name", name, "--plan", "professional", "--owner", owner]);
  expect(created.code, created.said).toBe(0);
  const key = created.printed.trim();
  expect(key).toMatch(/^anx_live_\w{36}$/);
  expect(created.said).not.toContain(key);

  const client = clientOf(created);
  expect((await client.get("/me")).data).toMatchObject({ workspace: { name, plan: "professional" } });
  expect((await client.get("/users")).data).toMatchObject([{ email: owner, role: "owner" }]);
  expect((await client.post("/contacts", { email: "first@acme.example" })).status).toBe(201);
  expect((await client.get("/pipelines")).meta.total).toBe(1);

  const [row] = await database()`
    select key.*, encode(key_hash, 'hex') as hash
    from crm.api_keys as key join crm.workspaces as workspace on workspace.id = key.workspace_id where workspace.name = ${name}`;
  expect(row).toMatchObject({ name: "First key", scope: "full_access", hash: hashApiKey(key) });
  expect(JSON.stringify(row)).not.toContain(key);

  const again = await run("workspaces:create", ["--name", name, "--plan", "standard", "--owner", owner]);
  expect(again).toMatchObject({ code: 1, printed: "" });
  expect(again.said).toContain(`keys:create -- --workspace ${row?.["workspace_id"]}`);
});

test("a further key is of the workspace or sandbox of that id or name", async () => {
  const { workspaceId } = await createWorkspace();
  const name = freshName();
  await database()`update crm.workspaces set name = ${name} where id = ${workspaceId}`;
  const readOnly = await run("keys:create", ["--workspace", name, "--name", "Dashboards", "--scope", "read_only"]);
  expect(readOnly.code, readOnly.said).toBe(0);
  const client = clientOf(readOnly);
  expect((await client.get("/me")).data).toMatchObject({
    name: "Dashboards",
    workspace: { id: workspaceId },
  });
  expect((await client.post("/contacts", { email: "b@acme.example" })).error.code).toBe("insufficient_scope");

  const test = await run("keys:create", ["--workspace", DEMO_SANDBOX, "--name", "Tests"]);
  expect(test.printed, test.said).toMatch(/^anx_test_\w{36}\n$/);
});

test("a name that several workspaces have is refused with their ids", async () => {
  const name = freshName();
  const ids = [(await createWorkspace()).workspaceId, (await createWorkspace()).workspaceId];
  await database()`update crm.workspaces set name = ${name} where id = any (${ids})`;
  const { said } = await run("keys:create", ["--workspace", name, "--name", "Any"]);
  for (const id of ids) expect(said).toContain(id);
});

test("another plan holds for the keys of the workspace and of its sandboxes within 10 seconds", async () => {
  const live = await createWorkspace({ plan: "standard" });
  const sandbox = await createWorkspace({ plan: "standard", parentId: live.workspaceId });
  const limits = () =>
    Promise.all([live, sandbox].map(async ({ client }) => (await client.get("/me")).headers.get("x-ratelimit-limit")));
  expect(await limits()).toEqual(["100", "100"]);
  const changed = await run("workspaces:plan", ["--workspace", live.workspaceId, "--plan", "professional"]);
  expect(changed, changed.said).toMatchObject({ code: 0, printed: "" });
  expect(changed.said).toContain("on professional now; before it was on standard");
  await expect.poll(limits, { timeout: 10_000, interval: 250 }).toEqual(["300", "300"]);

  const told = await database()`
    select actor ->> 'type' as actor, changes from crm.audit_log where workspace_id = ${live.workspaceId} and action = 'workspace.plan_changed'`;
  expect(told).toEqual([{ actor: "system", changes: { plan: { from: "standard", to: "professional" } } }]);
  const again = await run("workspaces:plan", ["--workspace", live.workspaceId, "--plan", "professional"]);
  expect(again).toMatchObject({ code: 0, said: expect.stringContaining("on professional already") });
  const ofSandbox = await run("workspaces:plan", ["--workspace", sandbox.workspaceId, "--plan", "enterprise"]);
  expect(ofSandbox).toMatchObject({ code: 1, said: expect.stringContaining(`--workspace ${live.workspaceId}`) });
});

test("who has not confirmed an address owns nothing by it", async () => {
  const email = freshEmail();
  await database()`insert into auth.users (id, email) values (gen_random_uuid(), ${email})`;
  const { code, said } = await run("workspaces:create", ["--name", "New one", "--plan", "standard", "--owner", email]);
  expect({ code, said }).toEqual({ code: 1, said: expect.stringContaining("has not followed the link") });
});

const OWNED = ["--owner", "nobody@acme.example"];
test.each<[keyof typeof SCRIPTS, string[], string]>([
  ["workspaces:create", ["--plan", "standard", ...OWNED], "--name is missing"],
  ["workspaces:create", ["--name", "New one", "--plan", "standard"], "--owner is missing"],
  [
    "workspaces:create",
    ["--name", "n".repeat(101), "--plan", "standard", ...OWNED],
    "--name takes 1 to 100 characters",
  ],
  [
    "workspaces:create",
    ["--name", "New one", "--plan", "benchmark", ...OWNED],
    '--plan is standard or professional or enterprise, not "benchmark".',
  ],
  ["workspaces:create", ["--name", "New one", "--plan", "standard", ...OWNED], "Nobody has signed up as nobody@acme"],
  ["workspaces:plan", ["--workspace", "Nobody's", "--plan", "standard"], "There is no workspace Nobody's."],
  ["keys:create", ["--workspace", "00000000-0000-7000-8000-0000000000ff", "--name", "Key"], "There is no workspace 0"],
  ["keys:create", ["--workspace", DEMO_SANDBOX], "--name is missing"],
  [
    "keys:create",
    ["--workspace", DEMO_SANDBOX, "--name", "Key", "--scope", "all"],
    '--scope is full_access or read_only, not "all".',
  ],
])("%s %j is refused in a sentence, and makes nothing", async (script, args, sentence) => {
  const { code, printed, said } = await run(script, args);
  expect({ code, printed, said }).toEqual({ code: 1, printed: "", said: expect.stringContaining(sentence) });
  expect(said.trim().split("\n")).toHaveLength(1);
  expect(await database()`select from crm.workspaces where name = 'New one'`).toHaveLength(0);
});

test.each(["postgres://postgres:se%cret@127.0.0.1:1/postgres", "postgres://postgres:secret@localhost:1/postgres"])(
  "a database that can't be reached is a sentence without its password: %s",
  async (url) => {
    const { code, said } = await run("keys:create", ["--workspace", DEMO_SANDBOX, "--name", "Key"], url);
    expect(code).toBe(1);
    expect(said.trim()).toMatch(/^\S.+$/);
    expect(said).not.toContain("cret");
  },
);
