import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { importJWK, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { newSigningKey } from "../../scripts/stack/secrets.ts";
import { createSigner, publicKey, type SigningKey } from "../../shared/signing_key.ts";
import { Client } from "../harness/client.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { functionToken, issuer, sessionToken } from "../harness/tokens.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// A signed-in user calls the same API with the access token of Supabase Auth in the same header.

type Place = Awaited<ReturnType<typeof createWorkspace>>;

let mine: Place;
beforeAll(async () => {
  mine = await createWorkspace();
});

const withToken = (token: string) => new Client(stack().functionUrl, token);
const userOf = async (userId: string) => withToken(await sessionToken(userId));

const claims = () => ({ iss: issuer(), aud: "authenticated", role: "authenticated", sub: mine.userId });

async function join({ workspaceId }: Pick<Place, "workspaceId">, userId: string, role = "member"): Promise<void> {
  await database()`
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (${workspaceId}, ${userId}, ${role}, 'Olive', ${freshEmail()})`;
}

test("a member reads and writes, and is named as the author", async () => {
  const user = await userOf(mine.userId);
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

describe("X-Workspace-Id", () => {
  test("chooses among the user's own workspaces and sandboxes, and no other", async () => {
    const second = await createWorkspace();
    const sandbox = await createWorkspace({ parentId: mine.workspaceId });
    const stranger = await createWorkspace();
    for (const place of [second, sandbox]) await join(place, mine.userId);
    const user = await userOf(mine.userId);
    const askedFor = async (id: string) => {
      const { status, data, error } = await user.get("/me", { "x-workspace-id": id });
      return data?.workspace.id ?? `${status} ${error.code}`;
    };
    for (const { workspaceId } of [mine, second, sandbox]) {
      expect(await askedFor(workspaceId)).toBe(workspaceId);
      expect(await askedFor(workspaceId.toUpperCase())).toBe(workspaceId);
    }
    for (const id of [stranger.workspaceId, crypto.randomUUID(), "nonsense"])
      expect(await askedFor(id)).toBe("404 workspace_not_found");
  });

  test("is the oldest live workspace when it is left out, whenever the user came into it", async () => {
    const [oldest, newest] = [await createWorkspace(), await createWorkspace()];
    const sandbox = await createWorkspace({ parentId: oldest.workspaceId });
    await database()`update crm.workspaces set created_at = now() - interval '1 year' where id = ${sandbox.workspaceId}`;
    for (const place of [sandbox, oldest]) await join(place, newest.userId);
    expect((await (await userOf(newest.userId)).get("/me")).data.workspace.id).toBe(oldest.workspaceId);
  });

  test("doesn't point an API key at another workspace", async () => {
    const other = await createWorkspace();
    const { error } = await mine.client.get("/me", { "x-workspace-id": other.workspaceId });
    expect(error.code).toBe("workspace_not_found");
    const { data } = await mine.client.get("/me", { "x-workspace-id": mine.workspaceId });
    expect(data.workspace.id).toBe(mine.workspaceId);
  });
});

describe("a token is refused:", () => {
  const header = (alg: string) => ({ alg, kid: stack().authKey.kid, typ: "JWT" });
  const signedAs = (alg: string) => new SignJWT(claims()).setProtectedHeader(header(alg)).setExpirationTime("1h");
  const anotherKey = () => importJWK(newSigningKey());
  const publicHalf = () => JSON.stringify(publicKey.parse(stack().authKey));

  test.each<[what: string, token: () => string | Promise<string>, code?: string]>([
    ["a wrong signature", () => anotherKey().then((key) => signedAs("ES256").sign(key))],
    ["alg: none", () => `${new UnsecuredJWT(claims()).setExpirationTime("1h").encode()}x`],
    ["HS256, signed with the public key", () => signedAs("HS256").sign(Buffer.from(publicHalf()))],
    ["a key that the project doesn't have", () => createSigner(newSigningKey())(claims(), 60)],
    ["a wrong iss", () => sessionToken(mine.userId, { iss: "https://another.supabase.co/auth/v1" })],
    ["no iss", () => sessionToken(mine.userId, { iss: undefined })],
    ["a wrong aud", () => sessionToken(mine.userId, { aud: "another" })],
    ["the role anon", () => sessionToken(mine.userId, { role: "anon" })],
    ["the role service_role", () => sessionToken(mine.userId, { role: "service_role" })],
    ["no subject", () => sessionToken(undefined)],
    ["a subject that is no user's id", () => sessionToken("olive")],
    ["expired", () => sessionToken(mine.userId, {}, -1), "expired_session"],
    ["the function's own for the database", () => functionToken({ ...claims(), workspace_id: mine.workspaceId })],
    ["of nobody", () => sessionToken(crypto.randomUUID())],
  ])("%s", async (what, token, code = "invalid_session") => {
    const from = { "x-forwarded-for": what };
    const { status, error, headers } = await withToken(await token()).get("/contacts", from);
    expect({ status, code: error?.code }).toEqual({ status: 401, code });
    // Whoever guesses is counted by address.
    expect(headers.get("x-ratelimit-limit")).toBe("60");
  });

  test("without an end", async () => {
    const endless = await new SignJWT(claims())
      .setProtectedHeader(header("ES256"))
      .sign(await importJWK(stack().authKey));
    expect((await withToken(endless).get("/contacts")).error.code).toBe("invalid_session");
  });

  test("it ends while it is known to be good", async () => {
    const user = withToken(await sessionToken(mine.userId, {}, 2));
    expect((await user.get("/me")).status).toBe(200);
    await expect.poll(async () => (await user.get("/me")).error?.code, { timeout: 9_000 }).toBe("expired_session");
  });
});

describe("a session that is good for its hour ends for data at once, and for the rest when it is looked up", () => {
  test.each([
    ["a removed member", "update crm.members set deleted_at = now() where user_id =", 404, "workspace_not_found"],
    ["a deleted user", "delete from auth.users where id =", 401, "invalid_session"],
  ])("%s", async (_who, change, status, code) => {
    const theirs = await createWorkspace();
    const user = await userOf(theirs.userId);
    const { id } = (await user.post("/contacts", { email: freshEmail() })).data;
    await database().unsafe(`${change} '${theirs.userId}'`);
    for (const ask of [
      () => user.get(`/contacts/${id}`),
      () => user.get("/contacts"),
      () => user.post("/contacts", { email: freshEmail() }),
      () => user.get("/search?q=ann"),
      () => user.get("/me"),
    ]) {
      const answer = await ask();
      expect({ status: answer.status, code: answer.error?.code }).toEqual({ status, code });
    }
    const contacts = await database()`select from crm.contacts where workspace_id = ${theirs.workspaceId}`;
    expect(contacts).toHaveLength(1);
  });

  test("a banned user, until the ban ends", async () => {
    const theirs = await createWorkspace();
    const banUntil = (time: string) =>
      database().unsafe(`update auth.users set banned_until = ${time} where id = '${theirs.userId}'`);
    const codeOfNew = async () => (await (await userOf(theirs.userId)).get("/me")).error?.code;
    await banUntil("now() + interval '1 hour'");
    expect(await codeOfNew()).toBe("invalid_session");
    await banUntil("now() - interval '1 second'");
    expect(await codeOfNew()).toBeUndefined();
  });
});

describe("limits", () => {
  test("are the workspace's plan's, and each user has a bucket in each workspace", async () => {
    const [first, second] = [
      await createWorkspace({ plan: "standard" }),
      await createWorkspace({ plan: "professional" }),
    ];
    const colleague = await createWorkspace();
    await join(second, first.userId);
    await join(first, colleague.userId);
    const left = async (userId: string, { workspaceId }: Place) => {
      const { headers } = await (await userOf(userId)).get("/me", { "x-workspace-id": workspaceId });
      return [headers.get("x-ratelimit-limit"), headers.get("x-ratelimit-remaining")].map(Number);
    };
    expect(await left(first.userId, first)).toEqual([100, 99]);
    expect(await left(first.userId, first)).toEqual([100, 98]);
    expect(await left(first.userId, second)).toEqual([300, 299]);
    expect(await left(colleague.userId, first)).toEqual([100, 99]);
    expect((await first.client.get("/me")).headers.get("x-ratelimit-remaining")).toBe("99");
  });

  test("a user at work behind an address that guesses keys is not stopped", async () => {
    const from = { "x-forwarded-for": crypto.randomUUID() };
    const user = await userOf(mine.userId);
    expect((await user.get("/me", from)).status).toBe(200);
    const keyless = new Client(stack().functionUrl, null);
    await Promise.all(Array.from({ length: 60 }, () => keyless.get("/me", from)));
    const answers = await Promise.all(Array.from({ length: 70 }, () => user.get("/me", from)));
    expect(answers.filter(({ status }) => status !== 200)).toHaveLength(0);
  });
});

describe("the project's keys", () => {
  /** A project that publishes a key, and a function of it that was told another one or none. */
  async function startProject(published: SigningKey, told?: SigningKey) {
    let fetched = 0;
    const project = createServer((_request, response) => {
      fetched++;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ keys: [publicKey.parse(published)] }));
    });
    await new Promise<void>((resolve) => project.listen(0, "127.0.0.1", resolve));
    const running = await startAnotherFunction({
      SUPABASE_URL: `http://127.0.0.1:${(project.address() as AddressInfo).port}`,
      SESSION_ISSUER: issuer(),
      SUPABASE_JWKS: JSON.stringify({ keys: told === undefined ? [] : [publicKey.parse(told)] }),
    });
    return {
      fetched: () => fetched,
      async ask(key: SigningKey) {
        const token = await createSigner(key)({ ...claims(), session_id: crypto.randomUUID() }, 60);
        const { status, error } = await new Client(running.baseUrl, token).get("/me");
        return error?.code ?? status;
      },
      async stop() {
        await running.stop();
        project.closeAllConnections();
        await new Promise((resolve) => project.close(resolve));
      },
    };
  }

  test("that the platform tells are not fetched, a new one once, and an unknown one no more than that", async () => {
    const [old, current, unknown] = [newSigningKey(), newSigningKey(), newSigningKey()];
    const project = await startProject(current, old);
    expect([await project.ask(old), await project.ask(old), project.fetched()]).toEqual([200, 200, 0]);
    expect([await project.ask(current), await project.ask(current), project.fetched()]).toEqual([200, 200, 1]);
    for (let tries = 0; tries < 5; tries++) expect(await project.ask(unknown)).toBe("invalid_session");
    expect(project.fetched()).toBe(1);
    await project.stop();
  });

  test("that can't be read are nobody's fault: 503, and nobody is signed out", async () => {
    const { baseUrl, stop } = await startAnotherFunction({
      SUPABASE_URL: "http://127.0.0.1:9",
      SESSION_ISSUER: issuer(),
      SUPABASE_JWKS: '{"keys":[]}',
    });
    const { status, error } = await new Client(baseUrl, await sessionToken(mine.userId)).get("/me");
    expect({ status, code: error.code }).toEqual({ status: 503, code: "service_unavailable" });
    await stop();
  });
});

describe("the function's own keys", () => {
  const PATH = "/v1/.well-known/jwks.json";

  test("are published without their private part, as they stand in the standard, for anybody to keep", async () => {
    const response = await fetch(stack().functionUrl + PATH);
    expect(response.headers.get("cache-control")).toBe("public, max-age=600");
    const { d: _private, ...half } = JSON.parse(stack().functionEnv["JWT_SIGNING_KEY"] ?? "");
    expect(await response.json()).toEqual({ keys: [{ ...half, use: "sig" }] });
  });

  test("are the next one beside the current one, of which the current one signs", async () => {
    const next = newSigningKey();
    const { baseUrl, stop } = await startAnotherFunction({ JWT_NEXT_KEY: JSON.stringify(next) });
    const { keys } = await (await fetch(baseUrl + PATH)).json();
    const current = JSON.parse(stack().functionEnv["JWT_SIGNING_KEY"] ?? "").kid;
    expect(keys.map(({ kid }: SigningKey) => kid)).toEqual([current, next.kid]);
    expect(JSON.stringify(keys)).not.toContain(next.d);
    expect((await new Client(baseUrl, mine.key).get("/contacts")).status).toBe(200);
    await stop();
  });
});
