// What the function holds after everything else and many requests more.
import { readFileSync } from "node:fs";
import type { Bench } from "./bench.ts";
import { load } from "./load.ts";
import { progress, show } from "./report.ts";
import { apiReads } from "./scenarios.ts";
import { accessOf, type BenchWorkspace } from "./workspace.ts";

const TURN_REQUESTS = 2_500;

/** The function's memory (RSS) after lists and reads by id. */
export async function measureMemory({ info, quick, figures }: Bench, workspace: BenchWorkspace): Promise<void> {
  const reads = await apiReads(accessOf(info, workspace));
  const requests = quick ? 10_000 : 100_000;
  progress(`Memory after ${show(requests)} requests`);
  for (let sent = 0; sent < requests; sent += TURN_REQUESTS)
    await load(sent % (4 * TURN_REQUESTS) === 0 ? reads.list : reads["one by id"], TURN_REQUESTS);
  figures.push({
    name: `memory of the function after all of this and ${show(requests)} requests more (RSS)`,
    value: `${show(residentMegabytes(info.pids["function"] ?? 0))} MB`,
  });
}

function residentMegabytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1024;
}
