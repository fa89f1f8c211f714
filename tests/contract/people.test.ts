import { beforeAll, describe, expect, test } from "vitest";
import { createInvitationToken } from "../../shared/auth/invitation_token.ts";
import type { Role } from "../../shared/rights.ts";
import { Client } from "../harness/client.ts";
import { mailsTo } from "../harness/mailbox.ts";
import { createTeam, join, type Person, person, type Team } from "../harness/people.ts";
import { database, stack } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

/** The token of the mail that has come to an address. */
async function tokenOf(address: string): Promise<string> {
  let token: string | undefined;
  await expect
    .poll(
      async () => {
        token = /[?&]token=([\w.-]+)/.exec((await mailsTo(address))[0]?.text ?? "")?.[1];
        return token;
      },
      { timeout: 30_000 },
    )
    .toBeDefined();
  return token ?? "";
}

let mine: Team;
beforeAll(async () => {
  mine = await createTeam();
});

describe("members", () => {
  test("are listed with who they are, and one by one", async () => {
    const { data, meta } = await mine.member.client.get("/members?sort=joined_at");
    expect(meta.total).toBe(3);
    expect(data[1]).toEqual({
      id: mine.admin.memberId,
      user_id: mine.admin.userId,
      email: mine.admin.email,
      name: "Pat Person",
      role: "admin",
      joined_at: expect.any(String),
    });
    expect((await mine.member.client.get(`/members/${mine.admin.memberId}`)).data).toEqual(data[1]);
    expect((await mine.owner.client.get("/members?role=owner")).data).toHaveLength(1);
  });

  test.each<[Role, Role, Role, number, string?]>([
    ["owner", "member", "admin", 200],
    ["owner", "member", "owner", 200],
    ["owner", "owner", "member", 200],
    ["admin", "member", "admin", 200],
    ["admin", "admin", "member", 200],
    ["admin", "member", "owner", 403, "owner"],
    ["admin", "owner", "member", 403, "owner"],
    ["member", "member", "member", 403, "admin"],
  ])("%s makes of a %s a %s: %s", async (by, from, to, expected, required) => {
    const { memberId } = await join(mine.workspaceId, from);
    const { status, error, data } = await mine[by].client.patch(`/members/${memberId}`, { role: to });
    expect({ status, required: error?.details.required_role }).toEqual({ status: expected, required });
    if (expected === 200) expect(data).toMatchObject({ id: memberId, role: to });
  });

  test.each<[Role, Role, number]>([
    ["owner", "owner", 200],
    ["owner", "member", 200],
    ["admin", "admin", 200],
    ["admin", "owner", 403],
    ["member", "member", 403],
  ])("%s removes a %s: %s", async (by, role, expected) => {
    const { memberId, client } = await join(mine.workspaceId, role);
    expect((await client.get("/contacts")).status).toBe(200);
    expect((await mine[by].client.delete(`/members/${memberId}`)).status).toBe(expected);
    expect((await client.get("/contacts")).error?.code).toBe(expected === 200 ? "workspace_not_found" : undefined);
    expect((await mine.owner.client.get(`/members/${memberId}`)).status).toBe(expected === 200 ? 404 : 200);
  });

  test("keep an owner, also when two leave at once", async () => {
    const small = await createTeam();
    expect((await small.owner.client.delete(`/members/${small.owner.memberId}`)).error.code).toBe("last_owner");
    expect((await small.owner.client.patch(`/members/${small.owner.memberId}`, { role: "admin" })).error.code).toBe(
      "last_owner",
    );
    for (let round = 0; round < 5; round++) {
      const second = await join(small.workspaceId, "owner");
      const answers = await Promise.all([
        small.owner.client.patch(`/members/${small.owner.memberId}`, { role: "member" }),
        second.client.patch(`/members/${second.memberId}`, { role: "member" }),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
      await database()`update crm.members set role = 'owner' where id = ${small.owner.memberId}`;
      await database()`update crm.members set role = 'member' where id = ${second.memberId}`;
    }
  });

  test("have the address that they have confirmed with Auth, and leave when they are deleted there", async () => {
    const { memberId, userId, client } = await join(mine.workspaceId, "admin");
    const email = freshEmail();
    await database()`update auth.users set email = ${email} where id = ${userId}`;
    expect((await mine.owner.client.get(`/members/${memberId}`)).data.email).toBe(email);
    await client.post("/contacts", { email: freshEmail(), owner_id: memberId });
    const invited = await client.post("/invitations", { email: freshEmail(), role: "member" });
    const sandbox = await mine.owner.client.post("/sandboxes", { name: freshEmail(), start_from: "empty" });
    await database()`delete from auth.users where id = ${userId}`;
    expect((await mine.owner.client.get(`/members/${memberId}`)).status).toBe(404);
    expect((await mine.owner.client.get(`/invitations/${invited.data.id}`)).data.state).toBe("revoked");
    const [left] =
      await database()`select count(*)::integer from crm.members where user_id is null and workspace_id = ${sandbox.data.id} and deleted_at is null`;
    expect(left?.["count"]).toBe(0);
    await mine.owner.client.delete(`/sandboxes/${sandbox.data.id}`);
    expect((await mine.owner.client.get(`/contacts?owner_id=${memberId}`)).data).toHaveLength(1);
  });

  test("need no change that changes nothing, and take no other field", async () => {
    expect((await mine.owner.client.patch(`/members/${mine.admin.memberId}`, { role: "admin" })).status).toBe(200);
    for (const body of [{}, { role: "king" }, { role: "admin", email: "x@y.example" }])
      expect((await mine.owner.client.patch(`/members/${mine.admin.memberId}`, body)).status).toBe(400);
    const tried = await mine.owner.client.patch(`/members/${mine.admin.memberId}?dry_run=true`, { role: "member" });
    expect(tried).toMatchObject({ status: 200, data: { role: "member" }, meta: { dry_run: true } });
    expect((await mine.owner.client.get(`/members/${mine.admin.memberId}`)).data.role).toBe("admin");
  });
});

describe("an invitation", () => {
  const invite = (body: unknown, by: Role = "owner") => mine[by].client.post("/invitations", body);

  test("goes out by mail, and makes a member of who accepts it", async () => {
    const invited = await person({ name: "Ines Invited" });
    const { status, data, headers } = await invite({ email: invited.email.toUpperCase(), role: "admin" }, "admin");
    expect(status).toBe(201);
    expect(data).toMatchObject({
      role: "admin",
      state: "pending",
      created_by: { type: "user", id: mine.admin.userId },
    });
    expect(headers.get("location")).toBe(`${stack().apiUrl}/v1/invitations/${data.id}`);

    const token = await tokenOf(data.email);
    expect((await invited.client.get("/contacts")).error.message).toContain("Accept an invitation");
    const tried = await invited.client.post("/invitations/accept?dry_run=true", { token });
    expect(tried).toMatchObject({ status: 200, data: { role: "admin" }, meta: { dry_run: true } });
    const accepted = await invited.client.post("/invitations/accept", { token });
    expect(accepted).toMatchObject({
      status: 200,
      data: { user_id: invited.userId, email: invited.email, name: "Ines Invited", role: "admin" },
      meta: { workspace: { id: mine.workspaceId } },
    });
    expect((await invited.client.get("/contacts")).status).toBe(200);
    expect((await mine.owner.client.get(`/invitations/${data.id}`)).data.state).toBe("accepted");
    expect((await invited.client.post("/invitations/accept", { token })).error).toMatchObject({
      code: "invitation_not_pending",
      details: { state: "accepted" },
    });
    const log = await mine.owner.client.get("/audit_log?action=invitation.created,member.joined&limit=2");
    expect(log.data.map(({ action }: { action: string }) => action)).toEqual(["member.joined", "invitation.created"]);
    expect(JSON.stringify(log.body)).not.toContain(token);
  });

  test("comes to one address five times a day at most", async () => {
    const email = freshEmail();
    for (let at = 0; at < 5; at++) {
      const { data } = await invite({ email, role: "member" });
      expect((await mine.owner.client.delete(`/invitations/${data.id}`)).status).toBe(200);
    }
    const { status, error, headers } = await invite({ email, role: "member" });
    expect({ status, code: error.code }).toEqual({ status: 429, code: "too_many_mails" });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(80_000);
  });

  test("and all that is done to people, is in the audit log", async () => {
    const small = await createTeam();
    const { data } = await small.owner.client.post("/invitations", { email: freshEmail(), role: "member" });
    await small.owner.client.delete(`/invitations/${data.id}`);
    await small.owner.client.patch(`/members/${small.member.memberId}`, { role: "admin" });
    await small.owner.client.delete(`/members/${small.member.memberId}`);
    const { data: told } = await small.owner.client.get(
      "/audit_log?sort=occurred_at&action=invitation.created,invitation.revoked,member.role_changed,member.removed",
    );
    expect(
      told.map(({ action, actor, targets }: { action: string; actor: { id: string }; targets: { id: string }[] }) => [
        action,
        actor.id,
        targets[0]?.id,
      ]),
    ).toEqual([
      ["invitation.created", small.owner.userId, data.id],
      ["invitation.revoked", small.owner.userId, data.id],
      ["member.role_changed", small.owner.userId, small.member.memberId],
      ["member.removed", small.owner.userId, small.member.memberId],
    ]);
  });

  test("is for its address alone, once that is confirmed", async () => {
    const unconfirmed = await person({ confirmed: false });
    const { data } = await invite({ email: unconfirmed.email, role: "member" });
    const token = await tokenOf(data.email);
    const accept = (by: Person) => by.client.post("/invitations/accept", { token });
    expect((await accept(await person())).error.code).toBe("invitation_for_another_address");
    expect((await accept(unconfirmed)).error.code).toBe("invitation_for_another_address");
    expect((await mine.key.post("/invitations/accept", { token })).error.code).toBe("user_required");
    expect((await new Client(stack().apiUrl, null).post("/invitations/accept", { token })).status).toBe(401);
    await database()`update auth.users set email_confirmed_at = now() where id = ${unconfirmed.userId}`;
    expect((await accept(unconfirmed)).status).toBe(200);
  });

  test("holds no longer than who made it could make it", async () => {
    for (const [role, invitedTo, becomes] of [
      ["owner", "owner", undefined],
      ["admin", "member", undefined],
      ["owner", "owner", "admin"],
      ["admin", "admin", "member"],
    ] as const) {
      const inviter = await join(mine.workspaceId, role);
      const invited = await person();
      const { data } = await inviter.client.post("/invitations", { email: invited.email, role: invitedTo });
      const token = await tokenOf(invited.email);
      if (becomes === undefined) await mine.owner.client.delete(`/members/${inviter.memberId}`);
      else await mine.owner.client.patch(`/members/${inviter.memberId}`, { role: becomes });
      expect((await invited.client.post("/invitations/accept", { token })).error).toMatchObject({
        code: "invitation_not_pending",
        details: { state: "revoked" },
      });
      expect((await mine.owner.client.get(`/invitations/${data.id}`)).data.state).toBe("revoked");
    }
  });

  test("can't be made up", async () => {
    const someone = await person();
    const { data } = await invite({ email: someone.email, role: "member" });
    const token = createInvitationToken(stack().functionEnv["MASTER_KEY"] ?? "", data.id);
    expect(token).toBe(await tokenOf(data.email));
    for (const wrong of ["", "x", data.id, `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`])
      expect((await someone.client.post("/invitations/accept", { token: wrong })).status).toBe(404);
    expect((await someone.client.post("/invitations/accept", { token: 5 })).status).toBe(400);
  });

  test("is one for each address, and for nobody who is a member", async () => {
    const email = freshEmail();
    const first = await invite({ email, role: "member" });
    expect((await invite({ email: email.toUpperCase(), role: "admin" })).error).toMatchObject({
      code: "already_invited",
      details: { existing_id: first.data.id },
    });
    expect((await invite({ email: mine.member.email, role: "admin" })).error).toMatchObject({
      code: "already_member",
      details: { existing_id: mine.member.memberId },
    });
    const answers = await Promise.all(Array.from({ length: 4 }, () => invite({ email: `x${email}`, role: "member" })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });

  test("ends when it is revoked or expires, and makes room for another", async () => {
    const invited = await person();
    const { data } = await invite({ email: invited.email, role: "member" });
    const token = await tokenOf(invited.email);
    expect((await mine.owner.client.delete(`/invitations/${data.id}`)).data).toEqual({ id: data.id });
    expect((await mine.owner.client.delete(`/invitations/${data.id}`)).error.code).toBe("invitation_not_pending");
    expect((await invited.client.post("/invitations/accept", { token })).error.details.state).toBe("revoked");

    const again = await invite({ email: invited.email, role: "member" });
    expect(again.status).toBe(201);
    await database()`update crm.invitations set expires_at = now() where id = ${again.data.id}`;
    expect((await mine.owner.client.get("/invitations?state=expired")).data).toHaveLength(1);
    expect((await invite({ email: invited.email, role: "member" })).status).toBe(201);
  });

  test.each<[Role, Role, number]>([
    ["owner", "owner", 201],
    ["admin", "owner", 403],
    ["admin", "member", 201],
    ["member", "member", 403],
  ])("by %s to be %s: %s", async (by, role, expected) => {
    expect((await invite({ email: freshEmail(), role }, by)).status).toBe(expected);
  });

  test("needs an address and a role", async () => {
    for (const body of [{}, { email: "x" }, { email: freshEmail() }, { email: "nobody", role: "member" }])
      expect((await invite(body)).status).toBe(400);
  });

  test("brings back who was removed", async () => {
    const { memberId, email, client } = await join(mine.workspaceId, "member");
    await mine.owner.client.delete(`/members/${memberId}`);
    await invite({ email, role: "admin" });
    const { data } = await client.post("/invitations/accept", { token: await tokenOf(email) });
    expect(data).toMatchObject({ id: memberId, role: "admin" });
    expect((await client.get("/me")).data.role).toBe("admin");
  });

  test("waits with a hundred others at most", async () => {
    const busy = await createTeam();
    await database()`
      insert into crm.invitations (workspace_id, email, role)
      select ${busy.workspaceId}, 'p' || n || '@test.example', 'member' from generate_series(1, 100) as n`;
    const { error } = await busy.owner.client.post("/invitations", { email: freshEmail(), role: "member" });
    expect(error).toMatchObject({ code: "invitation_limit_reached", details: { max_pending: 100 } });
  });

  test("is not made in a sandbox, whose people are those of its workspace", async () => {
    const { userId, workspaceId } = await createWorkspace({ parentId: mine.workspaceId });
    const client = new Client(stack().apiUrl, await sessionToken(userId));
    const { error } = await client.post(
      "/invitations",
      { email: freshEmail(), role: "member" },
      { "x-workspace-id": workspaceId },
    );
    expect(error.code).toBe("live_workspace_required");
  });
});
