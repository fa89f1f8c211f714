import { AuthClient, createClient, type Session } from "@supabase/supabase-js";
import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { mailTo } from "../harness/mailbox.ts";
import { stack } from "../harness/stack.ts";
import { freshEmail } from "../harness/workspace.ts";

// What the dashboard and this API rely on of Supabase Auth. GOTRUE_URL (a project's …/auth/v1) with GOTRUE_KEY (its
// publishable key), GOTRUE_EMAIL and GOTRUE_PASSWORD (of a user made for this) run it against another one too.

interface Target {
  url: string;
  key: string;
  email: string;
  password: string;
}

const local = (): Target => {
  const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, DEMO_ADMIN_EMAIL, DEMO_PASSWORD } = stack().signIn;
  return {
    url: `${SUPABASE_URL}/auth/v1`,
    key: SUPABASE_PUBLISHABLE_KEY ?? "",
    email: DEMO_ADMIN_EMAIL ?? "",
    password: DEMO_PASSWORD ?? "",
  };
};

const { GOTRUE_URL, GOTRUE_KEY = "", GOTRUE_EMAIL = "", GOTRUE_PASSWORD = "" } = process.env;
const targets: Record<string, () => Target> = {
  "the local stack": local,
  ...(GOTRUE_URL && {
    [GOTRUE_URL]: () => ({ url: GOTRUE_URL, key: GOTRUE_KEY, email: GOTRUE_EMAIL, password: GOTRUE_PASSWORD }),
  }),
};

describe.each(Object.entries(targets))("%s", (_name, target) => {
  const client = (key = target().key) =>
    new AuthClient({ url: target().url, headers: { apikey: key }, autoRefreshToken: false, persistSession: false });

  async function signIn(auth = client()): Promise<Session> {
    const { email, password } = target();
    const { data, error } = await auth.signInWithPassword({ email, password });
    expect(error).toBeNull();
    return data.session as Session;
  }

  let session: Session;
  beforeAll(async () => {
    session = await signIn();
  });

  test("a password gives a session, whose access token its published keys verify", async () => {
    const { url, email } = target();
    const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(session.access_token, keys, {
      issuer: url,
      audience: "authenticated",
    });
    expect(protectedHeader).toMatchObject({ alg: expect.stringMatching(/^(ES|RS)256$/), kid: expect.any(String) });
    expect(payload).toMatchObject({
      sub: session.user.id,
      role: "authenticated",
      email,
      aal: "aal1",
      is_anonymous: false,
      phone: "",
      session_id: expect.any(String),
      app_metadata: { provider: "email", providers: ["email"] },
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(session.expires_in);
    expect(session.token_type).toBe("bearer");
  });

  test("a wrong password and an unknown address are refused alike", async () => {
    const { email, password } = target();
    for (const credentials of [
      { email, password: `${password}x` },
      { email: `nobody.${crypto.randomUUID()}@example.com`, password },
    ]) {
      const { error } = await client().signInWithPassword(credentials);
      expect(error).toMatchObject({ status: 400, code: "invalid_credentials" });
    }
  });

  test("the access token reads its user, and a changed one nobody", async () => {
    const { data } = await client().getUser(session.access_token);
    expect(data.user).toMatchObject({ id: session.user.id, email: target().email });
    expect(data.user?.created_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const [head, , signature] = session.access_token.split(".");
    const claims = Buffer.from(JSON.stringify({ ...decodeJwt(session.access_token), email: "x@example.com" }));
    const { error } = await client().getUser(`${head}.${claims.toString("base64url")}.${signature}`);
    expect(error).toMatchObject({ status: 403, code: "bad_jwt" });
  });

  test("a refresh goes on with the same session under a new token, and signing out ends it", async () => {
    const auth = client();
    const first = await signIn(auth);
    const { data } = await auth.refreshSession();
    const second = data.session as Session;
    expect(second.refresh_token).not.toBe(first.refresh_token);
    const sessionOf = ({ access_token }: Session) => decodeJwt(access_token)["session_id"];
    expect(sessionOf(second)).toBe(sessionOf(first));
    expect((await auth.signOut({ scope: "local" })).error).toBeNull();
    const again = await client().refreshSession({ refresh_token: second.refresh_token });
    expect(again.error).toMatchObject({ status: 400, code: "refresh_token_not_found" });
  });

  test("what a user says of themselves is in their next token", async () => {
    const auth = client();
    await signIn(auth);
    const nickname = crypto.randomUUID();
    expect((await auth.updateUser({ data: { nickname } })).error).toBeNull();
    const { data } = await auth.refreshSession();
    expect(decodeJwt(data.session?.access_token ?? "")["user_metadata"]).toMatchObject({ nickname });
  });

  test("a sign-up waits for its mail to be confirmed, and needs a password worth the name", async () => {
    const email = `new.${crypto.randomUUID()}@example.com`;
    expect((await client().signUp({ email, password: "short" })).error).toMatchObject({ code: "weak_password" });
    const { data, error } = await client().signUp({ email, password: crypto.randomUUID() });
    // A project sends a few mails an hour.
    if (error?.code === "over_email_send_rate_limit") return;
    expect({ error, session: data.session, email: data.user?.email }).toEqual({ error: null, session: null, email });
  });

  test("without the project's public key nobody gets in", async () => {
    const { email, password } = target();
    const { error } = await client("sb_publishable_wrong").signInWithPassword({ email, password });
    expect(error).toMatchObject({ status: 401 });
  });
});

test("the link of a mail, which the local stack shows in its mailbox, confirms an address and signs in", async () => {
  const { url, key } = local();
  const auth = new AuthClient({ url, headers: { apikey: key }, autoRefreshToken: false, persistSession: false });
  const credentials = { email: `new.${crypto.randomUUID()}@example.com`, password: crypto.randomUUID() };
  const { user } = (await auth.signUp(credentials)).data;
  expect((await auth.signInWithPassword(credentials)).error?.code).toBe("email_not_confirmed");
  const { text } = await mailTo(credentials.email);
  const answer = await fetch(/https?:\S+/.exec(text)?.[0] ?? "", { redirect: "manual" });
  const { hash } = new URL(answer.headers.get("location") ?? "");
  const token = new URLSearchParams(hash.slice(1)).get("access_token") ?? "";
  expect((await auth.getUser(token)).data.user?.id).toBe(user?.id);
  // Somebody, and nobody's colleague yet.
  const { status, error } = await new Client(stack().apiUrl, token).get("/me");
  expect({ status, code: error.code }).toEqual({ status: 404, code: "workspace_not_found" });
  expect((await auth.signInWithPassword(credentials)).error).toBeNull();
});

test.each(["owner", "admin", "member"])(
  "the demo %s signs in by supabase-js and works with KEY_STANDARD's records",
  async (role) => {
    const { signIn, keys, apiUrl } = stack();
    const { SUPABASE_URL = "", SUPABASE_PUBLISHABLE_KEY = "", DEMO_PASSWORD = "" } = signIn;
    // Node 20 has no WebSocket, of which supabase-js wants one though nothing is subscribed to.
    const transport = class {} as unknown as typeof WebSocket;
    const supabase = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, {
      auth: { autoRefreshToken: false, persistSession: false },
      realtime: { transport },
    });
    const email = signIn[`DEMO_${role.toUpperCase()}_EMAIL`] ?? "";
    const { data } = await supabase.auth.signInWithPassword({ email, password: DEMO_PASSWORD });
    const user = new Client(apiUrl, data.session?.access_token ?? "");
    const standard = (await new Client(apiUrl, keys["KEY_STANDARD"] ?? "").get("/me")).data.workspace;
    const me = (await user.get("/me")).data;
    expect(me).toMatchObject({ type: "user", id: data.user?.id, role, workspace: standard });
    // Tried only: other suites count what this workspace has.
    const { status, data: contact } = await user.post("/contacts?dry_run=true", { email: freshEmail() });
    expect({ status, by: contact.created_by }).toEqual({ status: 201, by: { type: "user", id: me.id } });
    // The data itself is out of reach of the same token: nothing is granted to the role that it names.
    const { error } = await supabase
      .schema("api" as "public")
      .from("contacts")
      .select();
    expect(error?.code).toBe("42501");
  },
);
