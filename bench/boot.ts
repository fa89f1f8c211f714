import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../scripts/stack/ports.ts";
import { DENO, ROOT } from "../scripts/stack/settings.ts";

/** From spawning an entry file to its first answer, and on to the first answer that needed data. */
export interface Boot {
  firstAnswerMs: number;
  firstDataMs: number | undefined;
}

/** Starts an entry file as the stack starts the function, times it, and ends it. */
export async function boot(entry: string, env: Record<string, string>, key?: string): Promise<Boot> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/api/v1`;
  const startedAt = performance.now();
  const child = spawn(
    DENO,
    [
      "run",
      "--no-prompt",
      "--quiet",
      "--allow-net",
      "--allow-env",
      "--config",
      join(ROOT, "deno.json"),
      "--node-modules-dir=manual",
      join(ROOT, entry),
    ],
    {
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
        ...env,
      },
      stdio: "ignore",
      detached: true,
    },
  );
  const ended = once(child, "exit");
  try {
    while (!(await answers(`${url}/health`))) {
      if (performance.now() - startedAt > 10_000) throw new Error(`${entry} gave no answer within 10 s.`);
      await delay(2);
    }
    const firstAnswerMs = performance.now() - startedAt;
    if (key === undefined) return { firstAnswerMs, firstDataMs: undefined };
    const response = await fetch(`${url}/contacts?limit=25`, { headers: { authorization: `Bearer ${key}` } });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`The first list answered ${response.status}.`);
    return { firstAnswerMs, firstDataMs: performance.now() - startedAt };
  } finally {
    // The group, because deno from npm is a script around the binary.
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    await ended;
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
