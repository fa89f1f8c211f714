// How long the function takes from its start to its first answers, beside bare imports of the same packages.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../scripts/stack/ports.ts";
import { DENO, ROOT } from "../scripts/stack/settings.ts";
import type { Bench } from "./bench.ts";
import { median } from "./load.ts";
import { progress, show, verdict } from "./report.ts";
import type { BenchWorkspace } from "./workspace.ts";

/** From spawning an entry file to its first answer, and on to the first answer that needed data. */
interface Boot {
  firstAnswerMs: number;
  firstDataMs: number | undefined;
}

/** The median of several starts. */
export async function measureBoot({ info, quick, figures, verdicts }: Bench, { key }: BenchWorkspace): Promise<void> {
  const boots = quick ? 3 : 9;
  const ours: number[] = [];
  const data: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < boots; i++) {
    progress(`Boot ${i + 1} of ${boots}`);
    const booted = await boot("functions/api/index.ts", info.functionEnv, key);
    ours.push(booted.firstAnswerMs);
    data.push(booted.firstDataMs ?? Number.NaN);
    bare.push((await boot("bench/bare_imports.ts", {})).firstAnswerMs);
  }
  verdicts.push(verdict("function's start to its first answer, median", median(ours), { most: 300 }, " ms"));
  figures.push({
    name: "start to first answer: median / slowest",
    value: `${show(median(ours))} / ${show(Math.max(...ours))} ms`,
  });
  figures.push({ name: "start to first list of 25, key looked up: median", value: `${show(median(data))} ms` });
  figures.push({
    name: "start of bare imports of the same packages to first answer: median",
    value: `${show(median(bare))} ms`,
  });
}

/** Starts an entry file as the stack starts the function, times it, and ends it. */
async function boot(entry: string, env: Record<string, string>, key?: string): Promise<Boot> {
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
