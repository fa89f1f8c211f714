import { z } from "zod";
import { type PublicKey, publicKey, type SigningKey, signingKey } from "./signing_key.ts";
import { readBlock, writeBlock } from "./standards/address_blocks.ts";

/** JSON of a shape; `what` says what it must be. */
function json<Schema extends z.ZodType>(schema: Schema, what: string) {
  return z.string().transform((text, context): z.output<Schema> => {
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      context.addIssue(`must be ${what}`);
      return z.NEVER;
    }
  });
}

function flag(otherwise: "true" | "false") {
  return z
    .enum(["true", "false"])
    .default(otherwise)
    .transform((value) => value === "true");
}

/** Addresses and blocks of them, with commas between them. */
const addresses = z.string().transform((text, context): string[] => {
  const blocks = text.split(",").map((part) => readBlock(part.trim()));
  if (blocks.every((block) => block !== undefined)) return blocks.map(writeBlock);
  context.addIssue("must be addresses or CIDR blocks, with commas between them");
  return z.NEVER;
});

const settings = z.object({
  SUPABASE_URL: z.url(),
  SUPABASE_PUBLISHABLE_KEYS: json(z.object({ default: z.string().min(1) }), "a dictionary with default").optional(),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1).optional(),
  SUPABASE_ANON_KEY: z.string().min(1).optional(),
  SUPABASE_JWKS: json(z.object({ keys: z.array(z.looseObject({ kty: z.string() })) }), "a JWKS").optional(),
  SESSION_ISSUER: z.url().optional(),
  REST_URL: z.url().optional(),
  UPSTASH_REDIS_REST_URL: z.url(),
  UPSTASH_REDIS_REST_TOKEN: z.string().min(1),
  JWT_SIGNING_KEY: json(signingKey, "a private JWK with kid and alg ES256"),
  JWT_NEXT_KEY: json(publicKey, "a JWK with kid and alg ES256").optional(),
  CURSOR_SECRET: z.string().min(32),
  CRON_SECRET: z.string().min(32),
  MASTER_KEY: z.string().min(32),
  PUBLIC_API_URL: z.url(),
  APP_URL: z.url().optional(),
  MAIL_URL: z.url().default("https://api.resend.com/emails"),
  MAIL_API_KEY: z.string().min(1).optional(),
  MAIL_FROM: z.string().min(3).optional(),
  SECRET_SCANNING_KEYS_URL: z.url().default("https://api.github.com/meta/public_keys/secret_scanning"),
  EGRESS_PROXY_URL: z.url({ protocol: /^https?$/ }).optional(),
  EGRESS_ADDRESSES: addresses.default([]),
  WEBHOOKS_ALLOW_LOOPBACK: flag("false"),
  REQUIRE_HTTPS: flag("true"),
  TRUSTED_PROXY_HOPS: z.coerce.number().int().min(0).max(10).default(1),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
});

/** The public key of the project by its names, the newest first. */
const publishableKey = (given: Partial<z.infer<typeof settings>>) =>
  given.SUPABASE_PUBLISHABLE_KEYS?.default ?? given.SUPABASE_PUBLISHABLE_KEY ?? given.SUPABASE_ANON_KEY;

const environment = settings
  .refine(publishableKey, {
    path: ["SUPABASE_PUBLISHABLE_KEYS"],
    message: "or SUPABASE_PUBLISHABLE_KEY or SUPABASE_ANON_KEY must be set",
  })
  .refine(({ MAIL_API_KEY, MAIL_FROM }) => MAIL_API_KEY === undefined || MAIL_FROM !== undefined, {
    path: ["MAIL_FROM"],
    message: "must be set where MAIL_API_KEY is",
  });

/** The service that sends mails: of Resend, or in its shape. */
export interface MailService {
  url: string;
  key: string;
  /** Who they are from: `Name <address>`. */
  from: string;
}

/** Everything the function is told from outside; `.env.example` explains each. */
export interface Config {
  supabaseUrl: string;
  /** Opens the platform's gateway, and grants nothing. */
  publishableKey: string;
  /** Base of PostgREST; differs from `<supabaseUrl>/rest/v1` only where the stack runs locally. */
  restUrl: string;
  redisUrl: string;
  redisToken: string;
  /** The keys that Supabase Auth signs sessions with, where the platform tells them. */
  sessionKeys: { kty: string }[] | undefined;
  /** What a session's `iss` has to be. */
  sessionIssuer: string;
  /** What the function signs its tokens for the database with; Supabase Auth has a key of its own. */
  jwtSigningKey: SigningKey;
  /** The halves of the keys that the function signs with now, and will or did, which all may know. */
  publicKeys: readonly PublicKey[];
  cursorSecret: string;
  /** What the timer that has jobs drained proves itself with. */
  cronSecret: string;
  /** What tokens are derived from that only a mail may show. */
  masterKey: string;
  publicApiUrl: string;
  /** The base of the dashboard, which links in mails lead to. */
  appUrl: string;
  /** Without one mails wait. */
  mail: MailService | undefined;
  /** Where the keys are published that reports of leaked keys are signed with. */
  secretScanningKeysUrl: string;
  /** What webhooks go through: a proxy that has fixed addresses, and refuses those of our own network. */
  egressProxyUrl: string | undefined;
  /** The addresses that webhooks come from, where they are always the same. */
  egressAddresses: readonly string[];
  /** Whether webhooks may go to this machine over http, for a local stack. */
  allowLoopbackWebhooks: boolean;
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
  const publicApiUrl = values.PUBLIC_API_URL.replace(/\/$/, "");
  const { MAIL_URL: url, MAIL_API_KEY: key, MAIL_FROM: from } = values;
  return {
    supabaseUrl: values.SUPABASE_URL,
    publishableKey: publishableKey(values) ?? "",
    restUrl: values.REST_URL ?? `${values.SUPABASE_URL}/rest/v1`,
    redisUrl: values.UPSTASH_REDIS_REST_URL,
    redisToken: values.UPSTASH_REDIS_REST_TOKEN,
    sessionKeys: values.SUPABASE_JWKS?.keys,
    sessionIssuer: values.SESSION_ISSUER ?? `${values.SUPABASE_URL}/auth/v1`,
    jwtSigningKey: values.JWT_SIGNING_KEY,
    publicKeys: [publicKey.parse(values.JWT_SIGNING_KEY), ...(values.JWT_NEXT_KEY ? [values.JWT_NEXT_KEY] : [])],
    cursorSecret: values.CURSOR_SECRET,
    cronSecret: values.CRON_SECRET,
    masterKey: values.MASTER_KEY,
    publicApiUrl,
    appUrl: values.APP_URL?.replace(/\/$/, "") ?? new URL(publicApiUrl).origin,
    mail: key !== undefined && from !== undefined ? { url, key, from } : undefined,
    secretScanningKeysUrl: values.SECRET_SCANNING_KEYS_URL,
    egressProxyUrl: values.EGRESS_PROXY_URL,
    egressAddresses: values.EGRESS_ADDRESSES,
    allowLoopbackWebhooks: values.WEBHOOKS_ALLOW_LOOPBACK,
    requireHttps: values.REQUIRE_HTTPS,
    trustedProxyHops: values.TRUSTED_PROXY_HOPS,
    logLevel: values.LOG_LEVEL,
  };
}
