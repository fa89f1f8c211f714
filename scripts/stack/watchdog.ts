// Outlives a supervisor that was killed, and ends what it left behind. The supervisor writes a line
// `pid signal` for each program it starts and `done` when it has stopped them all itself; when the
// pipe closes without that, the supervisor is gone.

import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { signalProcess } from "./child.ts";

const programs = new Map<number, NodeJS.Signals>();
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "done") process.exit(0);
  const [pid, signal] = line.split(" ");
  programs.set(Number(pid), signal as NodeJS.Signals);
}
for (const [pid, signal] of programs) signalProcess(pid, signal);
await delay(3_000);
for (const pid of programs.keys()) signalProcess(pid, "SIGKILL");
