import postgres from "postgres";
import { afterAll, beforeAll, inject } from "vitest";
import { type FunctionEnv, startFunction } from "../../scripts/stack/function.ts";
import { freePort } from "../../scripts/stack/ports.ts";
import type { StackInfo } from "../../scripts/stack/stack_info.ts";
import { startTestStack } from "./global_setup.ts";

let connection: postgres.Sql | undefined;
const further = new Set<{ stop(): Promise<void> }>();

let own: Awaited<ReturnType<typeof startTestStack>> | undefined;

/** The stack that this run started, or the suite's own. */
export function stack(): StackInfo & { dataDir: string } {
  return own === undefined ? inject("stack") : { ...own.info, dataDir: own.dataDir };
}

/** Gives a suite a stack that no other one disturbs. */
export function useOwnStack(): void {
  beforeAll(async () => {
    own = await startTestStack();
  }, 120_000);
}

/** Its database, as the superuser: for setting up, and for looking below the API. */
export function database(): postgres.Sql {
  connection ??= postgres(stack().databaseUrl, { max: 4, onnotice: () => {} });
  return connection;
}

afterAll(async () => {
  // Those of a test that ran out of time: nothing behind its last await has run.
  await Promise.all([...further].map((child) => child.stop()));
  await connection?.end({ timeout: 2 });
  connection = undefined;
  await own?.stop();
  own = undefined;
});

/** A further process of the function, with parts of its environment changed or left out. Stop it when done. */
export async function startAnotherFunction(
  env: Record<string, string | undefined> = {},
  entry?: string,
): Promise<{ baseUrl: string; pid: number; logFile: string; ended: Promise<string>; stop(): Promise<void> }> {
  const { dataDir, functionEnv } = stack();
  const port = await freePort();
  const { child, url, logFile } = await startFunction({
    dataDir,
    port,
    env: { ...functionEnv, ...env } as FunctionEnv,
    ...(entry !== undefined && { entry }),
    name: `function-${port}`,
  });
  further.add(child);
  return { baseUrl: url, pid: child.pid, logFile, ended: child.ended, stop: child.stop };
}
