import { z } from "zod";

const signingKey = z.string().transform((text, context): JsonWebKey & { alg: "HS256" | "ES256" } => {
  try {
    return z.looseObject({ kty: z.string(), alg: z.enum(["HS256", "ES256"]) }).parse(JSON.parse(text));
  } catch {
    context.addIssue("must be a JWK with kty and alg HS256 or ES256");
    return z.NEVER;
  }
});

const environment = z.object({
  SUPABASE_URL: z.url(),
  SUPABASE_ANON_KEY: z.string().min(1),
  REST_URL: z.url().optional(),
  UPSTASH_REDIS_REST_URL: z.url(),
  UPSTASH_REDIS_REST_TOKEN: z.string().min(1),
  JWT_SIGNING_KEY: signingKey,
  CURSOR_SECRET: z.string().min(32),
  CRON_SECRET: z.string().min(32),
  PUBLIC_API_URL: z.url(),
  REQUIRE_HTTPS: z
    .enum(["true", "false"])
    .default("true")
    .transform((value) => value === "true"),
  TRUSTED_PROXY_HOPS: z.coerce.number().int().min(0).max(10).default(1),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
});

/** Everything the function is told from outside; `.env.example` explains each. */
export interface Config {
  supabaseUrl: string;
  anonKey: string;
  /** Base of PostgREST; differs from `<supabaseUrl>/rest/v1` only where the stack runs locally. */
  restUrl: string;
  redisUrl: string;
  redisToken: string;
  jwtSigningKey: JsonWebKey & { alg: "HS256" | "ES256" };
  cursorSecret: string;
  /** What the timer that has jobs drained proves itself with. */
  cronSecret: string;
  publicApiUrl: string;
  requireHttps: boolean;
  trustedProxyHops: number;
  logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

/** The environment as a Config. @throws when a variable is missing or malformed, naming it but never its value. */
export function readConfig(read: (name: string) => string | undefined = (name) => Deno.env.get(name)): Config {
  const parsed = environment.safeParse(
    Object.fromEntries(Object.keys(environment.shape).map((name) => [name, read(name)])),
  );
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Error(`The environment is incomplete (see .env.example): ${problems.join("; ")}`);
  }
  const values = parsed.data;
  return {
    supabaseUrl: values.SUPABASE_URL,
    anonKey: values.SUPABASE_ANON_KEY,
    restUrl: values.REST_URL ?? `${values.SUPABASE_URL}/rest/v1`,
    redisUrl: values.UPSTASH_REDIS_REST_URL,
    redisToken: values.UPSTASH_REDIS_REST_TOKEN,
    jwtSigningKey: values.JWT_SIGNING_KEY,
    cursorSecret: values.CURSOR_SECRET,
    cronSecret: values.CRON_SECRET,
    publicApiUrl: values.PUBLIC_API_URL.replace(/\/$/, ""),
    requireHttps: values.REQUIRE_HTTPS,
    trustedProxyHops: values.TRUSTED_PROXY_HOPS,
    logLevel: values.LOG_LEVEL,
  };
}
