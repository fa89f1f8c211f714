import { spawn } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { isAlive } from "../../scripts/stack/processes.ts";
import { ROOT } from "../../scripts/stack/settings.ts";

const checkouts: string[] = [];
afterAll(() => {
  for (const checkout of checkouts) rmSync(checkout, { recursive: true, force: true });
});

/** Starts `.ci/run` in a checkout of its own, with a `npm test` that starts a program, and then does as it is told. */
function startRun(andThen: string) {
  const checkout = mkdtempSync(join(tmpdir(), "crm-ci-"));
  checkouts.push(checkout);
  mkdirSync(join(checkout, ".ci"));
  cpSync(join(ROOT, ".ci/run"), join(checkout, ".ci/run"));
  // As a stack's programs are: in a session of its own, so that nobody's signal for a group reaches it.
  writeFileSync(
    join(checkout, "test.sh"),
    `mkdir -p node_modules/program; cp "$(command -v sleep)" node_modules/program/sleep
     setsid "$PWD/node_modules/program/sleep" 300 >/dev/null 2>&1 </dev/null & echo $! > program
     ${andThen}`,
  );
  chmodSync(join(checkout, "test.sh"), 0o755);
  const scripts = { test: "bash test.sh", lint: "true", check: "true" };
  const manifest = { name: "checkout", version: "1.0.0" };
  writeFileSync(join(checkout, "package.json"), JSON.stringify({ ...manifest, scripts }));
  writeFileSync(
    join(checkout, "package-lock.json"),
    JSON.stringify({ ...manifest, lockfileVersion: 3, requires: true, packages: { "": manifest } }),
  );
  const run = spawn(join(checkout, ".ci/run"), { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [run.stdout, run.stderr])
    stream.on("data", (chunk) => {
      text += chunk;
    });
  const ended = new Promise<{ code: number | null; text: string }>((resolve) =>
    run.once("close", (code) => resolve({ code, text })),
  );
  return { run, ended, pid: (name: string) => Number(readFileSync(join(checkout, name), "utf8")) };
}

test.concurrent(".ci/run says how long each step took, goes on after one that failed, and ends what that left running", async () => {
  const { ended, pid } = startRun("exit 3");
  const { code, text } = await ended;
  expect(code, text).toBe(1);
  expect(text).toMatch(/^── npm ci: \d+ s$/m);
  expect(text).toMatch(/^── npm test failed after \d+ s\.$/m);
  expect(text).toMatch(/^── Types: \d+ s$/m);
  expect(text).toMatch(/left running, and are ended now:\n *\d+ .*program\/sleep 300/);
  expect(isAlive(pid("program"))).toBe(false);
});

test.concurrent(".ci/run that is ended in the middle of a step ends that", async () => {
  const { run, ended, pid } = startRun("echo $$ > shell; wait");
  let shell = 0;
  while (!(shell > 0)) {
    await delay(50);
    try {
      shell = pid("shell");
    } catch {
      // Not there yet.
    }
  }
  run.kill("SIGTERM");
  const { code, text } = await ended;
  expect(code, text).toBe(143);
  expect(isAlive(shell)).toBe(false);
  expect(isAlive(pid("program"))).toBe(false);
});
