// npm run workspaces:create: a customer's workspace with its owner and first key, in any database that has our migrations.
import type postgres from "postgres";
import { PLANS } from "../shared/limits/plans.ts";
import { makeKey, noteAct, operate } from "./operate.ts";

await operate(
  {
    summary:
      "Makes a workspace with its owner and first API key, in the database of DATABASE_URL\n(that of the stack in .local without one). Prints the key: it is shown only here.",
    example: 'npm run workspaces:create -- --name "Acme" --plan standard --owner jane@acme.example',
    options: {
      "--name": { value: "NAME", help: "what the workspace is called" },
      "--plan": { value: "PLAN", help: PLANS.join(" or ") },
      "--owner": { value: "EMAIL", help: "who is to own it: a user who has signed up" },
    },
  },
  async (sql, options) => {
    const name = options.name("--name");
    const plan = options.oneOf("--plan", PLANS);
    const owner = options.required("--owner");
    const [same] = await sql`select id from crm.workspaces where name = ${name} and parent_workspace_id is null`;
    if (same !== undefined)
      throw new Error(
        `There is a workspace ${name} already. For a further key: npm run keys:create -- --workspace ${same["id"]} …`,
      );
    const [workspace] = await sql`insert into crm.workspaces (name, plan) values (${name}, ${plan}) returning id`;
    const workspaceId = workspace?.["id"];
    await addOwner(sql, workspaceId, owner);
    await noteAct(sql, workspaceId, "workspace.created", { type: "workspace", id: workspaceId, name });
    const key = await makeKey(sql, { workspaceId, name: "First key" });
    return { said: `Workspace ${name} (${workspaceId}) on ${plan}, owned by ${owner}, and its first key.`, key };
  },
);

async function addOwner(sql: postgres.TransactionSql, workspaceId: string, email: string): Promise<void> {
  const [user] = await sql`
    select id, email, email_confirmed_at is not null as confirmed from auth.users
    where lower(email) = lower(${email}) and deleted_at is null order by confirmed desc limit 1`;
  if (user === undefined)
    throw new Error(`Nobody has signed up as ${email}. Have them sign up, or add them under Authentication → Users.`);
  // Whoever knows an address can sign up with it.
  if (!user["confirmed"])
    throw new Error(`${email} has signed up, but has not followed the link in the mail that they got.`);
  await sql`
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (${workspaceId}, ${user["id"]}, 'owner', split_part(${user["email"]}, '@', 1), ${user["email"]})`;
}
