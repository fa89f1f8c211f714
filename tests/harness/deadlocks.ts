import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stack } from "./stack.ts";

const logged = () => readFileSync(join(stack().dataDir, "postgres.log"), "utf8").split("deadlock detected").length - 1;

/** How many circles of waiting Postgres breaks while something is done, whoever is in them. */
export async function deadlocksDuring(work: () => Promise<unknown>): Promise<number> {
  const before = logged();
  await work();
  return logged() - before;
}
