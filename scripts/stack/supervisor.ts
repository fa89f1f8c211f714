import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "./child.ts";
import { denoEnvironment } from "./deno_environment.ts";
import { endNotedProcesses } from "./processes.ts";
import { DENO, ROOT } from "./settings.ts";

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 5_000;
// One that ran for so long did not fail because of how it starts.
const HEALTHY_MS = 10_000;

export interface SupervisorOptions {
  dataDir: string;
  /** Told what ends and starts by itself. */
  progress: (line: string) => void;
  /** Called when a part got a new pid. */
  onRestart: () => void;
}

/** Runs the stack's programs: starts one that ends by itself again, and leaves none behind. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #children = new Map<string, Child>();
  #isStopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    startWatchdog(options.dataDir);
  }

  /** The running programs' pids by name. */
  get pids(): Record<string, number> {
    return Object.fromEntries([...this.#children.values()].map(({ name, pid }) => [name, pid]));
  }

  /** Starts a program, and from then on keeps it running. @throws when its first start fails */
  async run<Started extends { child: Child }>(start: () => Promise<Started>): Promise<Started> {
    const started = await start();
    this.#children.set(started.child.name, started.child);
    this.#keepRunning(started.child, start);
    return started;
  }

  async #keepRunning(first: Child, start: () => Promise<{ child: Child }>): Promise<void> {
    const { progress, onRestart } = this.#options;
    let child: Child | undefined = first;
    let startedAt = Date.now();
    let delayMs = FIRST_DELAY_MS;
    for (;;) {
      const reason = await child?.ended;
      if (this.#isStopping) return;
      if (reason !== undefined)
        progress(`${first.name} ended (${reason}), starting it again; its log is ${first.logFile}`);
      if (Date.now() - startedAt > HEALTHY_MS) delayMs = FIRST_DELAY_MS;
      await delay(delayMs);
      delayMs = Math.min(LAST_DELAY_MS, delayMs * 2);
      if (this.#isStopping) return;

      startedAt = Date.now();
      const started = await start().catch((error: Error) => void (this.#isStopping || progress(error.message)));
      child = started?.child;
      if (child === undefined) continue;
      this.#children.set(child.name, child);
      onRestart();
    }
  }

  /** Stops all programs, those that use another one before it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const child of [...this.#children.values()].reverse()) await child.stop();
    // And whatever had not got as far as being ready.
    await endNotedProcesses(this.#options.dataDir, process.pid);
  }
}

function startWatchdog(dataDir: string): void {
  const args = [
    "run",
    "-A",
    "--quiet",
    "--node-modules-dir=manual",
    join(ROOT, "scripts/stack/watchdog.ts"),
    dataDir,
    String(process.pid),
  ];
  const child = spawn(DENO, args, {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
    env: denoEnvironment(dataDir),
  });
  child.unref(); // Its pipe ends with us, and that is all it waits for.
}
