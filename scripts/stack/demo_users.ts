import type postgres from "postgres";

/** Who signs in to the workspace of KEY_STANDARD, by role. The seed has made them members. */
const DEMO_USERS = {
  DEMO_OWNER_EMAIL: "olivia@standard.example",
  DEMO_ADMIN_EMAIL: "amara@standard.example",
  DEMO_MEMBER_EMAIL: "sam@standard.example",
};

/**
 * Gives the demo users the password and an address that is confirmed, as if they had signed up; once, so that a password
 * which one of them has changed stays.
 */
export async function demoUsers(sql: postgres.Sql, password: string): Promise<Record<string, string>> {
  const emails = Object.values(DEMO_USERS);
  await sql`
    with signed_up as (
      update auth.users
      set encrypted_password = extensions.crypt(${password}, extensions.gen_salt('bf', 10)),
          email_confirmed_at = now(),
          raw_app_meta_data = '{"provider": "email", "providers": ["email"]}'
      where email = any (${emails}) and encrypted_password is null
      returning id, email
    )
    insert into auth.identities (id, provider, provider_id, user_id, identity_data)
    select gen_random_uuid(), 'email', id::text, id, jsonb_build_object('sub', id, 'email', email, 'email_verified', true)
    from signed_up`;
  return { ...DEMO_USERS, DEMO_PASSWORD: password };
}
