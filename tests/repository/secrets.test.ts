import { expect, test } from "vitest";
import { filesIn, read } from "./source_files.ts";

const SECRETS: Record<string, RegExp> = {
  "one of our API keys": /\banx_(?:live|test)_[0-9A-Za-z]{30,}/,
  "a Supabase secret key or access token": /\bsb_secret_\w{20,}|\bsbp_[0-9a-f]{40}\b/,
  "a JWT": /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}/,
  "a private key": /-----BEGIN [A-Z ]*PRIVATE KEY-----|"d"\s*:\s*"[\w-]{40,}"/,
  "a database's password": /\bpostgres(?:ql)?:\/\/\w+:[^@\s"'`${}<>*]{8,}@/,
  "a value of .env": /^(?:UPSTASH_REDIS_REST_TOKEN|JWT_SIGNING_KEY|CURSOR_SECRET|MASTER_KEY|MAIL_API_KEY)=\S+/m,
};

const texts = filesIn(".")
  .filter((path) => !/\.(png|ico|woff2?|gz|br)$/.test(path))
  .map((path) => ({ path, text: read(path) }));

test.each(Object.entries(SECRETS))("no file of the repository has %s in it", (_name, pattern) => {
  expect(texts.filter(({ text }) => pattern.test(text)).map(({ path }) => path)).toEqual([]);
});

test("files that hold secrets are ignored by git", () => {
  const ignored = read(".gitignore").split("\n");
  expect(ignored).toEqual(expect.arrayContaining([".env", ".local/", "supabase/.env.keys", "supabase/.temp/"]));
});
