import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../../scripts/stack/ports.ts";
import { DENO, ROOT } from "../../scripts/stack/settings.ts";

const SCRIPTS = {
  start: "scripts/start.ts",
  seed: "scripts/seed.ts",
  reset: "scripts/reset.ts",
  "gen:facts": "scripts/gen_facts.ts",
  tour: "scripts/tour.ts",
  "workspaces:create": "scripts/create_workspace.ts",
  "workspaces:plan": "scripts/change_plan.ts",
  "keys:create": "scripts/create_key.ts",
  fuzz: "scripts/fuzz.ts",
  bench: "bench/main.ts",
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "crm-arguments-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What a script says, with its two streams in one, and how it ends. */
function run(
  script: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; text: string }> {
  const child = spawn(DENO, ["run", "-A", "--node-modules-dir=manual", join(ROOT, script), ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code: code ?? -1, text })));
}

describe.each(Object.entries(SCRIPTS))("npm run %s", (name, script) => {
  const command = name === "start" ? "npm start" : `npm run ${name}`;

  test("--help says what it is called with, and ends with 0", async () => {
    const { code, text } = await run(script, ["--help"]);
    expect(code, text).toBe(0);
    expect(text).toContain(command);
  });

  test("an argument that it does not know is one sentence with those it knows, and ends with 1", async () => {
    const { code, text } = await run(script, ["--foo", "1"]);
    expect(code, text).toBe(1);
    expect(text.trim().split("\n")).toHaveLength(1);
    expect(text).toMatch(/^Unknown argument --foo\. Allowed: .*--help\. For example: npm /);
  });
});

test.each([
  ["start", ["--data-dir"], "--data-dir needs a value: --data-dir DIR"],
  ["start", ["--data-dir", "--free-ports"], "--data-dir needs a value: --data-dir DIR"],
  ["start", ["--no-seed=yes"], "--no-seed takes no value."],
  ["start", ["--no-seed", "--no-seed"], "--no-seed was given twice."],
  ["reset", ["--data-dir="], "--data-dir needs a value: --data-dir DIR"],
  ["seed", [], "Say how many contacts there are to be: npm run seed -- --contacts 1000000"],
  ["seed", ["--contacts", "many"], '--contacts takes a number from 1 to 9,999,999, not "many".'],
  ["seed", ["--contacts", "10", "--workspace", "acme"], "--workspace takes the id of a workspace, a UUID"],
  ["fuzz", ["--seed", "-1"], '--seed takes a whole number of at most nine digits, not "-1".'],
  ["bench", ["--rows", "many"], '--rows takes a whole number from 1, not "many".'],
  ["bench", ["--attacks", "--rows", "0"], '--rows takes a whole number from 1, not "0".'],
  ["bench", ["--attacks", "--only"], "--only needs a value: --only TEXT"],
] as const)("npm run %s %j: what is wrong with it", async (name, args, sentence) => {
  const { code, text } = await run(SCRIPTS[name], [...args]);
  expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining(sentence) });
  expect(text).not.toContain("    at ");
});

describe("a start that fails", () => {
  let other: Server;
  let port: number;
  beforeEach(async () => {
    port = await freePort();
    other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  });
  afterEach(() => other.close());

  test("leaves no folder, where there was none", async () => {
    const dataDir = join(folder, "data");
    const { code, text } = await run(SCRIPTS.start, ["--data-dir", dataDir], { PORT: String(port) });
    expect(code).toBe(1);
    expect(text).toContain(`Port ${port} is taken`);
    expect(existsSync(dataDir)).toBe(false);
  });

  test("leaves a folder that there was as it was, without a lock", async () => {
    writeFileSync(join(folder, "kept"), "");
    await run(SCRIPTS.start, ["--data-dir", folder], { PORT: String(port) });
    expect(existsSync(join(folder, "lock"))).toBe(false);
    expect(existsSync(join(folder, "kept"))).toBe(true);
  });
});

test("npm run reset leaves a folder alone that no stack has made", async () => {
  mkdirSync(join(folder, "mine"));
  writeFileSync(join(folder, "mine/lock"), "");
  const { code, text } = await run(SCRIPTS.reset, ["--data-dir", "mine"]);
  expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining("was not made by npm start") });
  expect(existsSync(join(folder, "mine/lock"))).toBe(true);
});
