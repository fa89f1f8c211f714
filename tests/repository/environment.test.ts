import { expect, test } from "vitest";
import { readConfig } from "../../shared/config.ts";
import { read } from "./source_files.ts";

const explained = [...read(".env.example").matchAll(/^(?:# )?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name);

function namesRead(): string[] {
  const names: string[] = [];
  expect(() =>
    readConfig((name) => {
      names.push(name);
      return undefined;
    }),
  ).toThrow(".env.example");
  return names;
}

test(".env.example explains exactly the variables that the function reads", () => {
  expect([...explained].sort()).toEqual(namesRead().sort());
});

test("every variable in .env.example has a comment right above it", () => {
  const lines = read(".env.example").split("\n");
  const bare = lines.filter(
    (line, i) => /^(# )?[A-Z][A-Z0-9_]+=/.test(line) && !/^(#|UPSTASH_REDIS_REST_URL=)/.test(lines[i - 1] ?? ""),
  );
  expect(bare).toEqual([]);
});

/** What a configuration has at least. */
const NEEDED: Record<string, string> = {
  SUPABASE_URL: "https://abcdefghijklmnopqrst.supabase.co",
  UPSTASH_REDIS_REST_URL: "https://redis.example",
  UPSTASH_REDIS_REST_TOKEN: "token",
  JWT_SIGNING_KEY: JSON.stringify({ kty: "EC", crv: "P-256", alg: "ES256", kid: "one", x: "x", y: "y", d: "secret" }),
  CURSOR_SECRET: "c".repeat(32),
  CRON_SECRET: "c".repeat(32),
  MASTER_KEY: "m".repeat(32),
  PUBLIC_API_URL: "https://api.example",
};
const NAMES = {
  SUPABASE_PUBLISHABLE_KEYS: '{"default":"first"}',
  SUPABASE_PUBLISHABLE_KEY: "second",
  SUPABASE_ANON_KEY: "third",
};
const configOf = (more: Record<string, string>) => readConfig((name) => ({ ...NEEDED, ...more })[name]);

test("the project's public key is read under its newest name, the legacy one last", () => {
  const { SUPABASE_PUBLISHABLE_KEYS, ...older } = NAMES;
  const { SUPABASE_PUBLISHABLE_KEY, ...legacy } = older;
  expect([NAMES, older, legacy].map((names) => configOf(names).publishableKey)).toEqual(["first", "second", "third"]);
  expect(() => configOf({})).toThrow(/SUPABASE_PUBLISHABLE_KEYS/);
});

test("of the keys that sign and will sign only the public halves are told", () => {
  const next = JSON.stringify({ ...JSON.parse(NEEDED["JWT_SIGNING_KEY"] ?? ""), kid: "two" });
  const { publicKeys } = configOf({ ...NAMES, JWT_NEXT_KEY: next });
  expect(publicKeys.map(({ kid }) => kid)).toEqual(["one", "two"]);
  expect(JSON.stringify(publicKeys)).not.toContain("secret");
});

test("a key of another algorithm than ES256 signs nothing", () => {
  const oct = JSON.stringify({ kty: "oct", alg: "HS256", kid: "one", k: "c2VjcmV0" });
  expect(() => configOf({ ...NAMES, JWT_SIGNING_KEY: oct })).toThrow(/JWT_SIGNING_KEY/);
});

test("links in mails lead to the origin of the API where no dashboard is named", () => {
  const at = (more: Record<string, string>) =>
    configOf({ ...NAMES, PUBLIC_API_URL: "https://crm.example/api/", ...more });
  expect(at({}).appUrl).toBe("https://crm.example");
  expect(at({ APP_URL: "https://app.example/crm/" }).appUrl).toBe("https://app.example/crm");
});

test("mails wait without a key of the mail service, and with one there has to be somebody who they are from", () => {
  expect(configOf(NAMES).mail).toBeUndefined();
  expect(() => configOf({ ...NAMES, MAIL_API_KEY: "hunter2" })).toThrow(/MAIL_FROM: must be set/);
  expect(configOf({ ...NAMES, MAIL_API_KEY: "key", MAIL_FROM: "us@crm.example" }).mail).toEqual({
    url: "https://api.resend.com/emails",
    key: "key",
    from: "us@crm.example",
  });
});

test("webhooks go out directly, and to the public alone, unless it is said otherwise", () => {
  const direct = configOf(NAMES);
  expect(direct).toMatchObject({ egressAddresses: [], allowLoopbackWebhooks: false });
  expect(direct.egressProxyUrl).toBeUndefined();
  const EGRESS_ADDRESSES = "203.0.113.7, 203.0.113.8/31,2001:DB8::1";
  expect(configOf({ ...NAMES, EGRESS_ADDRESSES, EGRESS_PROXY_URL: "http://proxy:4750" })).toMatchObject({
    egressProxyUrl: "http://proxy:4750",
    egressAddresses: ["203.0.113.7", "203.0.113.8/31", "2001:db8::1"],
  });
  expect(() => configOf({ ...NAMES, EGRESS_ADDRESSES: "203.0.113.7,somewhere" })).toThrow(/EGRESS_ADDRESSES: must be/);
  expect(() => configOf({ ...NAMES, EGRESS_PROXY_URL: "socks5://hunter2@proxy:1080" })).toThrow(/EGRESS_PROXY_URL/);
});

test("a configuration that is refused names the variable, and never shows its value", () => {
  const attempt = () => readConfig((name) => (name === "JWT_SIGNING_KEY" ? "hunter2" : undefined));
  expect(attempt).toThrow(/JWT_SIGNING_KEY: .*CURSOR_SECRET/);
  expect(attempt).not.toThrow(/hunter2/);
});
