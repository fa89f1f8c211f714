import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { ROOT } from "../../scripts/stack/settings.ts";
import type { StackInfo } from "../../scripts/stack/stack_info.ts";
import { findLeaks } from "./leaks.ts";

declare module "vitest" {
  export interface ProvidedContext {
    stack: StackInfo & { dataDir: string };
  }
}

/** Starts the stack that a user starts, on free ports and a data folder of its own, for all suites. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { info, dataDir, stop } = await startTestStack();
  project.provide("stack", { ...info, dataDir });
  return async () => {
    // After all suites: whatever they have sent, no secret of it may have stayed anywhere.
    const sql = postgres(info.databaseUrl, { max: 1, onnotice: () => {} });
    const leaks = await findLeaks(dataDir, sql).finally(() => sql.end({ timeout: 2 }));
    await stop();
    if (leaks.length > 0) throw new Error(`Secrets were kept:\n${leaks.join("\n")}`);
  };
}

/** A stack of its own, for suites that break one; of another checkout, for one that changes the code. */
export async function startTestStack(
  env: Record<string, string> = {},
  root = ROOT,
): Promise<{ info: StackInfo; dataDir: string; stop(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), "crm-test-"));
  const start = spawn(
    join(root, "node_modules/.bin/deno"),
    [
      ...["run", "-A", "--node-modules-dir=manual", join(root, "scripts/start.ts")],
      ...["--free-ports", "--no-seed", "--data-dir", dataDir],
    ],
    { cwd: root, env: { ...process.env, LOG_LEVEL: "warn", ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  const ready = new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      if (output.includes("The API runs after")) resolve();
    };
    start.stdout.on("data", read);
    start.stderr.on("data", read);
    start.once("exit", (code) => reject(new Error(`The stack ended with code ${code}:\n${output}`)));
  });
  const ended = new Promise<void>((resolve) => start.once("exit", () => resolve()));
  await ready;
  const file = join(dataDir, "stack.json");
  if (!existsSync(file)) throw new Error(`The stack wrote no ${file}:\n${output}`);
  return {
    info: JSON.parse(readFileSync(file, "utf8")),
    dataDir,
    async stop() {
      start.kill("SIGTERM");
      await ended;
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
