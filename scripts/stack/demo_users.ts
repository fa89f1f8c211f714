import type postgres from "postgres";

/** Who signs in to the workspace of KEY_STANDARD, by role. The seed has made them members. */
const DEMO_USERS = {
  DEMO_OWNER_EMAIL: "olivia@standard.example",
  DEMO_ADMIN_EMAIL: "amara@standard.example",
  DEMO_MEMBER_EMAIL: "sam@standard.example",
};

/** Gives the demo users the password; once, so that one that a user has changed stays. */
export async function demoUsers(sql: postgres.Sql, password: string): Promise<Record<string, string>> {
  await sql`
    update auth.users set encrypted_password = extensions.crypt(${password}, extensions.gen_salt('bf', 10))
    where email = any (${Object.values(DEMO_USERS)}) and encrypted_password is null`;
  return { ...DEMO_USERS, DEMO_PASSWORD: password };
}
