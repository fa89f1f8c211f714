import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";

/** A running program, as noted in `<data>/processes/<pid>`, so that whoever comes later can end it. */
export interface ProcessNote {
  name: string;
  /** Who started it. */
  starter: number;
  stopSignal: NodeJS.Signals;
  /** A part of its command line: by now the pid may belong to somebody else. */
  marker: string;
}

const GRACE_MS = 5_000;
const POLL_MS = 20;

/** Notes a program that has just started. */
export function noteProcess(dataDir: string, pid: number, note: ProcessNote): void {
  mkdirSync(folder(dataDir), { recursive: true });
  writeFileSync(join(folder(dataDir), String(pid)), JSON.stringify(note));
}

/** Forgets a program that has ended. */
export function forgetProcess(dataDir: string, pid: number): void {
  rmSync(join(folder(dataDir), String(pid)), { force: true });
}

/** Ends the noted programs that still run, all or those of one starter and of starters that have gone. Answers the names of those it found. */
export async function endNotedProcesses(dataDir: string, starter?: number): Promise<string[]> {
  const pids = existsSync(folder(dataDir)) ? readdirSync(folder(dataDir)).map(Number) : [];
  const names = await Promise.all(
    pids.map(async (pid) => {
      const note = readNote(dataDir, pid);
      if (starter !== undefined && note?.starter !== starter && (note === undefined || isAlive(note.starter)))
        return undefined;
      const isRunning = note !== undefined && commandLine(pid).includes(note.marker);
      if (isRunning) await endProcess(pid, note.stopSignal);
      forgetProcess(dataDir, pid);
      return isRunning ? note.name : undefined;
    }),
  );
  return names.filter((name) => name !== undefined);
}

/** Asks a process to stop, and ends it when it has not after the grace time. */
export async function endProcess(pid: number, signal: NodeJS.Signals): Promise<void> {
  signalProcess(pid, signal);
  signalProcess(pid, "SIGCONT"); // One that was stopped hears nothing else.
  const deadline = Date.now() + GRACE_MS;
  while (isAlive(pid)) {
    if (Date.now() > deadline) signalProcess(pid, "SIGKILL");
    await delay(POLL_MS);
  }
}

/** Sends a signal to a process that may be gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone, which is what a signal is for.
  }
}

/** Whether a process exists and has not ended yet. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // Somebody else's, but alive.
  }
  return !existsSync("/proc/self") || commandLine(pid) !== ""; // One that has ended and waits for its parent has none.
}

/** A process's program and arguments; empty when there is no such process. */
export function commandLine(pid: number): string {
  if (existsSync("/proc/self")) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    } catch {
      return "";
    }
  }
  return spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout?.trim() ?? "";
}

/** The pid of a process's parent; undefined when there is no such process. */
export function parentOf(pid: number): number | undefined {
  if (existsSync("/proc/self")) {
    try {
      // The name in parentheses may hold spaces and parentheses itself.
      return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(")").at(-1)?.trim().split(" ")[1]);
    } catch {
      return undefined;
    }
  }
  return Number(spawnSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }).stdout) || undefined;
}

function readNote(dataDir: string, pid: number): ProcessNote | undefined {
  try {
    return JSON.parse(readFileSync(join(folder(dataDir), String(pid)), "utf8"));
  } catch {
    return undefined; // Written half when the machine went down.
  }
}

function folder(dataDir: string): string {
  return join(dataDir, "processes");
}
