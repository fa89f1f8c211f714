/**
 * Supabase Auth as a process of its own: `deno run -A --node-modules-dir=manual scripts/stack/auth/main.ts`.
 * Environment: PORT, DATABASE_URL, GATEWAY_URL, SIGNING_KEY (a private JWK), PUBLISHABLE_KEY, MAIL_URL, MAIL_API_KEY,
 * MAIL_FROM. Ends on SIGTERM or SIGINT.
 */
import { App, ResendEmailDriver } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { publicKey, signingKey } from "../../../shared/signing_key.ts";
import { createTokenExchange } from "./tokens.ts";

const KEYS_PATH = "/auth/v1/.well-known/jwks.json";

function setting(name: string): string {
  const value = Deno.env.get(name);
  if (value !== undefined && value !== "") return value;
  console.error(`${name} must be set`);
  return Deno.exit(2);
}

const gatewayUrl = setting("GATEWAY_URL");
const key = signingKey.parse(JSON.parse(setting("SIGNING_KEY")));
// Of this process alone: what is handed out is signed anew with the key.
const secret = crypto.getRandomValues(new Uint8Array(32)).toHex();

const TIMESTAMPTZ = 1184;
const connection = createPostgresConnection({
  url: setting("DATABASE_URL"),
  postgresOptions: {
    onnotice: () => {},
    // The library shows times as Postgres writes them, where Auth shows RFC 3339.
    types: {
      timestamptz: {
        to: TIMESTAMPTZ,
        from: [TIMESTAMPTZ],
        serialize: String,
        parse: (text: string) => new Date(text).toISOString(),
      },
    },
  },
});

const app = new App({
  connection,
  auth: {
    enabled: true,
    jwt_secret: secret,
    publishable_key: setting("PUBLISHABLE_KEY"),
    site_url: gatewayUrl,
    minimum_password_length: 8,
    email: { enable_confirmations: true, double_confirm_changes: true },
  },
  // Nothing but sign-in is asked of it.
  db: { migrations: { enabled: false } },
  storage: { enabled: false },
  studio: { enabled: false },
  options: {
    server: { admin: false, disableStudio: true, disableFallback: true },
    drivers: {
      email: new ResendEmailDriver({
        endpoint: setting("MAIL_URL"),
        apiKey: setting("MAIL_API_KEY"),
        from: setting("MAIL_FROM"),
      }),
    },
  },
});
await app.ensureSystemSchema();

const hmac = await crypto.subtle.importKey(
  "raw",
  new TextEncoder().encode(secret),
  { name: "HMAC", hash: "SHA-256" },
  false,
  ["sign"],
);
const tokens = createTokenExchange(key, `${gatewayUrl}/auth/v1`, hmac);

const server = Deno.serve({ hostname: "127.0.0.1", port: Number(setting("PORT")), onListen() {} }, async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === KEYS_PATH)
    return Response.json(
      { keys: [publicKey.parse(key)] },
      { headers: { "Cache-Control": "public, max-age=600", "Access-Control-Allow-Origin": "*" } },
    );
  if (!pathname.startsWith("/auth/v1/")) return new Response(null, { status: 404 });
  const response = await app.fetch(await tokens.incoming(request), { peerAddress: null });
  return await tokens.outgoing(response);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.addSignalListener(signal, async () => {
    await server.shutdown();
    Deno.exit(0);
  });
}
