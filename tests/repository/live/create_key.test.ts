import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DENO, ROOT } from "../../../scripts/stack/settings.ts";
import { hashApiKey } from "../../../shared/auth/key_format.ts";
import { Client } from "../../harness/client.ts";
import { database, stack } from "../../harness/stack.ts";

const NAME = `Acme ${process.pid}`;

/** `npm run keys:create` against the database of the tests. */
function createKey(...args: string[]): Promise<{ code: number; printed: string; said: string }> {
  return new Promise((resolve) =>
    execFile(
      DENO,
      ["run", "-A", "--node-modules-dir=manual", join(ROOT, "scripts/create_key.ts"), ...args],
      { env: { ...process.env, NO_COLOR: "1", DATABASE_URL: stack().databaseUrl } },
      (error, printed, said) => resolve({ code: error === null ? 0 : Number(error.code), printed, said }),
    ),
  );
}

test("the first key of a new workspace is printed once, is stored as a hash, and opens the API", async () => {
  const { code, printed, said } = await createKey("--workspace", NAME, "--plan", "professional");
  expect(code, said).toBe(0);
  const key = printed.trim();
  expect(key).toMatch(/^anx_live_\w{36}$/);
  expect(said).not.toContain(key);

  const client = new Client(stack().functionUrl, key);
  const me = await client.get("/me");
  expect(me.status).toBe(200);
  expect(JSON.stringify(me.data)).toContain(NAME);
  expect((await client.post("/contacts", { email: "first@acme.example" })).status).toBe(201);
  expect((await client.get("/pipelines")).meta.total).toBe(1);

  const [row] = await database()`
    select key.*, encode(key_hash, 'hex') as hash, workspace.plan, workspace.id as workspace
    from crm.api_keys as key join crm.workspaces as workspace on workspace.id = key.workspace_id where workspace.name = ${NAME}`;
  expect(row).toMatchObject({ plan: "professional", name: "First key", scope: "full_access", hash: hashApiKey(key) });
  expect(JSON.stringify(row)).not.toContain(key);

  const further = await createKey("--workspace", row?.["workspace"], "--scope", "read_only", "--name", "Dashboards");
  expect(further.code, further.said).toBe(0);
  const readOnly = new Client(stack().functionUrl, further.printed.trim());
  expect((await readOnly.get("/contacts")).meta.total).toBe(1);
  expect((await readOnly.post("/contacts", { email: "b@acme.example" })).error.code).toBe("insufficient_scope");
  expect((await createKey("--workspace", NAME, "--plan", "standard")).said).toContain(
    `--workspace ${row?.["workspace"]}`,
  );
});

test("a person who has signed up owns the new workspace", async () => {
  const email = `owner-${process.pid}@acme.example`;
  await database()`insert into auth.users (id, email) values (gen_random_uuid(), ${email})`;
  const { printed, said } = await createKey("--workspace", `${NAME} owned`, "--plan", "standard", "--owner", email);
  const { data } = await new Client(stack().functionUrl, printed.trim()).get("/users");
  expect(data, said).toMatchObject([{ email, role: "owner" }]);
});

test.each([
  [["--plan", "standard"], "Say which workspace the key is for"],
  [["--workspace", "New one"], "A new workspace needs --plan standard or professional or enterprise."],
  [["--workspace", "New one", "--plan", "gold"], "A new workspace needs --plan"],
  [
    ["--workspace", "New one", "--plan", "standard", "--owner", "nobody@acme.example"],
    "No user has signed up as nobody@",
  ],
  [
    ["--workspace", "New one", "--plan", "standard", "--scope", "all"],
    '--scope is full_access or read_only, not "all".',
  ],
  [["--workspace", "00000000-0000-7000-8000-0000000000ff"], "There is no workspace 00000000"],
  [["--workspace", "00000000-0000-7000-8000-000000000001", "--plan", "standard"], "--plan is for a new workspace"],
])("%j is refused in a sentence, and makes nothing", async (args, sentence) => {
  const { code, printed, said } = await createKey(...args);
  expect({ code, printed, said }).toEqual({ code: 1, printed: "", said: expect.stringContaining(sentence) });
  expect(said).not.toContain("    at ");
  expect(await database()`select from crm.workspaces where name = 'New one'`).toHaveLength(0);
});
