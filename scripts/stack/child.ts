import { type SpawnOptions, spawn } from "node:child_process";
import { closeSync, createWriteStream, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { endProcess, forgetProcess, noteProcess } from "./processes.ts";

/** A program that the stack runs. */
export interface Child {
  name: string;
  pid: number;
  logFile: string;
  /** Resolves when the program has ended, with its exit code or signal. */
  ended: Promise<string>;
  /** Asks the program to stop, ends it when it does not, and resolves when it is gone. */
  stop(): Promise<void>;
}

export interface ChildOptions {
  /** Also names its log, `<data>/<name>.log`. */
  name: string;
  dataDir: string;
  command: string;
  args: readonly string[];
  /** All of its environment; ours when absent. */
  env?: Record<string, string>;
  stopSignal?: NodeJS.Signals;
  /** A part of its command line that no other program's has; the data folder when absent. */
  marker?: string;
  /** Gets what it writes to stderr, which is logged all the same. */
  onErrorOutput?: (text: string) => void;
  spawnOptions?: Pick<SpawnOptions, "uid" | "gid" | "cwd">;
}

const LOG_TAIL_LINES = 12;

/** Starts a program in a process group of its own, so that Ctrl-C reaches only the supervisor. */
export function startChild(options: ChildOptions): Child {
  const {
    name,
    dataDir,
    command,
    args,
    env,
    stopSignal = "SIGTERM",
    marker = dataDir,
    onErrorOutput,
    spawnOptions = {},
  } = options;
  const logFile = join(dataDir, `${name}.log`);
  const log = openSync(logFile, "a", 0o600);
  // A file and not a pipe: logging must cost the supervisor, which is the gateway too, nothing.
  const child = spawn(command, [...args], {
    stdio: ["ignore", log, onErrorOutput === undefined ? log : "pipe"],
    detached: true,
    ...(env && { env }),
    ...spawnOptions,
  });
  closeSync(log);
  const pid = child.pid ?? 0;
  if (pid !== 0) noteProcess(dataDir, pid, { name, starter: process.pid, stopSignal, marker });
  if (onErrorOutput !== undefined) {
    child.stderr?.pipe(createWriteStream(logFile, { flags: "a" }));
    child.stderr?.on("data", (chunk) => onErrorOutput(String(chunk)));
  }

  let isRunning = pid !== 0;
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  }).finally(() => {
    isRunning = false;
    forgetProcess(dataDir, pid);
  });
  return {
    name,
    pid,
    logFile,
    ended,
    async stop() {
      if (isRunning) await endProcess(pid, stopSignal);
      await ended;
    },
  };
}

/**
 * Waits until `isReady` says so.
 * @throws with the end of its log, when the program ends before or is not ready after `timeoutMs`
 */
export async function untilReady(child: Child, isReady: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let end: string | undefined;
  child.ended.then((reason) => {
    end = reason;
  });
  while (!(await isReady().catch(() => false))) {
    if (end !== undefined) throw new Error(`${child.name} ended while it started (${end}).${logTail(child.logFile)}`);
    if (Date.now() > deadline) {
      await child.stop();
      throw new Error(`${child.name} was not ready after ${timeoutMs / 1000} s.${logTail(child.logFile)}`);
    }
    await delay(20);
  }
}

/** Whether an HTTP address answers with a status below 500. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.status < 500;
}

/** The last lines of a log, to be put behind an error's sentence. */
export function logTail(logFile: string): string {
  const lines = existsSync(logFile) ? readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES) : [];
  return ` The end of ${logFile}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
