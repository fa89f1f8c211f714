import type { Role } from "../../shared/rights.ts";
import { Client } from "./client.ts";
import { database, stack } from "./stack.ts";
import { sessionToken } from "./tokens.ts";
import { createWorkspace, freshEmail } from "./workspace.ts";

export interface Person {
  userId: string;
  email: string;
  /** As they have signed in. */
  client: Client;
}

export type Member = Person & { memberId: string };

/** A workspace with somebody of each role. */
export interface Team extends Record<Role, Member> {
  workspaceId: string;
  /** Its full-access key. */
  key: Client;
}

const signedIn = async (userId: string, claims: Record<string, unknown> = {}) =>
  new Client(stack().apiUrl, await sessionToken(userId, claims));

/** Somebody who has signed up, and confirmed their address unless told otherwise. */
export async function person({ email = freshEmail(), confirmed = true, name = "Pat Person" } = {}): Promise<Person> {
  const [user] = await database()`
    insert into auth.users (id, email, email_confirmed_at)
    values (gen_random_uuid(), ${email}, ${confirmed ? new Date() : null}) returning id`;
  return { userId: user?.["id"], email, client: await signedIn(user?.["id"], { user_metadata: { full_name: name } }) };
}

/** Somebody new in a workspace, past the API. */
export async function join(workspaceId: string, role: Role): Promise<Member> {
  const someone = await person();
  const [member] = await database()`
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (${workspaceId}, ${someone.userId}, ${role}, 'Pat Person', ${someone.email}) returning id`;
  return { ...someone, memberId: member?.["id"] };
}

/** A workspace of its own, whose people and sandboxes nobody else counts. */
export async function createTeam(): Promise<Team> {
  const { workspaceId, userId, ownerId, client } = await createWorkspace();
  const [user] = await database()`select email from auth.users where id = ${userId}`;
  return {
    workspaceId,
    key: client,
    owner: { userId, email: user?.["email"], client: await signedIn(userId), memberId: ownerId },
    admin: await join(workspaceId, "admin"),
    member: await join(workspaceId, "member"),
  };
}
