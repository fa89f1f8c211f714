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

test("a configuration that is refused names the variable, and never shows its value", () => {
  const attempt = () => readConfig((name) => (name === "JWT_SIGNING_KEY" ? "hunter2" : undefined));
  expect(attempt).toThrow(/JWT_SIGNING_KEY: .*CURSOR_SECRET/);
  expect(attempt).not.toThrow(/hunter2/);
});
