import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** A program that the stack runs. */
export interface Child {
  name: string;
  pid: number;
  /** Resolves when the program has ended, with its exit code or signal. */
  ended: Promise<string>;
  /** Asks the program to stop, and ends it when it has not after `graceMs`. */
  stop(): Promise<void>;
}

export interface ChildOptions {
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** Where its output goes. */
  logFile: string;
  stopSignal?: NodeJS.Signals;
  spawnOptions?: SpawnOptions;
}

const GRACE_MS = 5_000;

/** Starts a program in a process group of its own, so that Ctrl-C reaches only the supervisor. */
export function startChild({
  name,
  command,
  args,
  env,
  logFile,
  stopSignal = "SIGTERM",
  spawnOptions = {},
}: ChildOptions): Child {
  const log = createWriteStream(logFile, { flags: "a", mode: 0o600 });
  const child: ChildProcess = spawn(command, [...args], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(env && { env }),
    ...spawnOptions,
  });
  child.stdout?.pipe(log);
  child.stderr?.pipe(log);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  let running = true;
  ended.then(() => {
    running = false;
  });

  return {
    name,
    pid: child.pid ?? 0,
    ended,
    async stop() {
      if (!running || child.pid === undefined) return;
      signalProcess(child.pid, stopSignal);
      const grace = delay(GRACE_MS, undefined, { ref: false }).then(() => "late");
      if ((await Promise.race([ended, grace])) === "late") signalProcess(child.pid, "SIGKILL");
      await ended;
    },
  };
}

/** Sends a signal to a process that may be gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * Waits until `isReady` says so.
 * @throws when the program ends before, or after `timeoutMs`, naming its log file
 */
export async function untilReady(
  child: Child,
  logFile: string,
  isReady: () => Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let end: string | undefined;
  child.ended.then((reason) => {
    end = reason;
  });
  while (!(await isReady().catch(() => false))) {
    if (end !== undefined) throw new Error(`The ${child.name} ended while it started (${end}). See ${logFile}.`);
    if (Date.now() > deadline)
      throw new Error(`The ${child.name} was not ready after ${timeoutMs / 1000} s. See ${logFile}.`);
    await delay(50);
  }
}

/** Whether an HTTP address answers with a status below 500. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.status < 500;
}
