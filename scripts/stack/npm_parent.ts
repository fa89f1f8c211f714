import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { commandLine, isAlive, parentOf } from "./processes.ts";

const POLL_MS = 300;
const MAX_DISTANCE = 4;

/**
 * Resolves when the `npm start` that started us, or a shell between, has gone. npm passes a SIGTERM on
 * to its shell only, which dies of it without a word to us. Without npm it never resolves.
 */
export async function untilNpmIsGone(): Promise<void> {
  const ancestors = process.env["npm_lifecycle_event"] === undefined ? [] : upToNpm();
  while (ancestors.length === 0 || (process.ppid === ancestors[0] && ancestors.every(isAlive))) {
    await delay(POLL_MS, undefined, { ref: false });
  }
}

function upToNpm(): number[] {
  const pids: number[] = [];
  for (
    let pid = parentOf(process.pid);
    pid !== undefined && pid > 1 && pids.length < MAX_DISTANCE;
    pid = parentOf(pid)
  ) {
    pids.push(pid);
    if (/\bnpm\b/.test(commandLine(pid))) return pids;
  }
  return pids.slice(0, 1);
}
