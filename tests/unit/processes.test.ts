import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { endNotedProcesses, isAlive, noteProcess } from "../../scripts/stack/processes.ts";

test("a stack that ends takes along what a killed test run had started on it, and leaves what others still use", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "crm-processes-"));
  const gone = spawnSync("true").pid;
  const programs = [gone, process.pid].map((starter) => {
    const { pid = 0 } = spawn("sleep", ["300"], { stdio: "ignore", detached: true });
    noteProcess(dataDir, pid, { name: "function", starter, stopSignal: "SIGTERM", marker: "sleep 300" });
    return pid;
  });
  try {
    expect(await endNotedProcesses(dataDir, 1)).toEqual(["function"]);
    expect(programs.map(isAlive)).toEqual([false, true]);
  } finally {
    await endNotedProcesses(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  }
});
