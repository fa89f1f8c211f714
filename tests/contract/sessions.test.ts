import { sign } from "hono/jwt";
import { beforeAll, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { database, stack } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// A dashboard user calls the same API with the access token of Supabase Auth in the same header.

let mine: Awaited<ReturnType<typeof createWorkspace>>;
beforeAll(async () => {
  mine = await createWorkspace();
});

const secret = () => Buffer.from(JSON.parse(stack().functionEnv["JWT_SIGNING_KEY"] ?? "").k, "base64url").toString();
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;

async function session(claims: Record<string, unknown>, signedWith = secret()): Promise<Client> {
  const token = await sign(
    { role: "authenticated", aud: "authenticated", exp: inAnHour(), ...claims },
    signedWith,
    "HS256",
  );
  return new Client(stack().functionUrl, token);
}

test("a member reads and writes, and is named as the author", async () => {
  const user = await session({ sub: mine.userId });
  expect((await user.get("/me")).data).toMatchObject({
    type: "user",
    id: mine.userId,
    member_id: mine.ownerId,
    role: "owner",
    workspace: { id: mine.workspaceId },
  });
  const { status, data } = await user.post("/contacts", { email: freshEmail() });
  expect(status).toBe(201);
  expect(data.created_by).toEqual({ type: "user", id: mine.userId });
  expect((await mine.client.get(`/contacts/${data.id}`)).status).toBe(200);
});

test("X-Workspace-Id chooses among the user's own workspaces, and no other", async () => {
  const second = await createWorkspace();
  const stranger = await createWorkspace();
  await database()`
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (${second.workspaceId}, ${mine.userId}, 'member', 'Olive', 'owner@test.example')`;
  const user = await session({ sub: mine.userId, session_id: "two" });
  const workspaceOf = async (id: string) => (await user.get("/me", { "x-workspace-id": id })).data?.workspace.id;
  expect(await workspaceOf(second.workspaceId)).toBe(second.workspaceId);
  expect(await workspaceOf(mine.workspaceId)).toBe(mine.workspaceId);
  expect((await user.get("/me", { "x-workspace-id": stranger.workspaceId })).error.code).toBe("invalid_api_key");
  expect((await user.get("/me", { "x-workspace-id": "nonsense" })).error.code).toBe("invalid_api_key");
});

test("an API key can't be pointed at another workspace", async () => {
  const other = await createWorkspace();
  const { data } = await mine.client.get("/me", { "x-workspace-id": other.workspaceId });
  expect(data.workspace.id).toBe(mine.workspaceId);
});

test("tokens that are no live session of a member are all the same 401", async () => {
  const past = Math.floor(Date.now() / 1000) - 10;
  const refused = {
    "an expired one": await session({ sub: mine.userId, exp: past }),
    "one of another project": await session({ sub: mine.userId }, "another-secret-of-32-characters!"),
    "a stranger's": await session({ sub: crypto.randomUUID() }),
    "the anon key": new Client(stack().functionUrl, stack().functionEnv["SUPABASE_ANON_KEY"] ?? ""),
    "the function's own for the database": await session({
      role: "crm_api",
      sub: mine.userId,
      user_id: mine.userId,
      workspace_id: mine.workspaceId,
    }),
    "a service's": await session({ role: "service_role", sub: mine.userId }),
    "one without a subject": await session({}),
  };
  for (const [name, client] of Object.entries(refused)) {
    const { status, error } = await client.get("/contacts", { "x-forwarded-for": name });
    expect({ status, code: error?.code }, name).toEqual({ status: 401, code: "invalid_api_key" });
  }
});

test("a token without a signature is refused", async () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = `${part({ alg: "none", typ: "JWT" })}.${part({ role: "authenticated", sub: mine.userId, exp: inAnHour() })}.x`;
  expect((await new Client(stack().functionUrl, unsigned).get("/contacts")).error.code).toBe("invalid_api_key");
});

test("who left the workspace reads nothing from then on, though the token lives", async () => {
  const theirs = await createWorkspace();
  const user = await session({ sub: theirs.userId });
  expect((await user.get("/contacts")).status).toBe(200);
  await database()`update crm.members set deleted_at = now() where id = ${theirs.ownerId}`;
  expect((await user.get("/contacts")).status).toBe(401);
  expect((await user.post("/contacts", { email: freshEmail() })).status).toBe(401);
});

test("a user at work behind an address that guesses keys is not stopped", async () => {
  const from = { "x-forwarded-for": crypto.randomUUID() };
  const user = await session({ sub: mine.userId, session_id: "at work" });
  expect((await user.get("/me", from)).status).toBe(200);
  const keyless = new Client(stack().functionUrl, null);
  await Promise.all(Array.from({ length: 60 }, () => keyless.get("/me", from)));
  const answers = await Promise.all(Array.from({ length: 70 }, () => user.get("/me", from)));
  expect(answers.filter(({ status }) => status !== 200)).toHaveLength(0);
});
