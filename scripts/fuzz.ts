// npm run fuzz: strange requests to every route of a stack of its own, until one breaks the contract or all are answered.
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./stack/settings.ts";

const USAGE = "npm run fuzz -- [--requests 50000] [--seed N] [--from N]";
const NAMES: Record<string, string> = { "--requests": "FUZZ_REQUESTS", "--seed": "FUZZ_SEED", "--from": "FUZZ_FROM" };

const env = readArguments(process.argv.slice(2));
console.log(`› ${env["FUZZ_REQUESTS"]} requests, replayed by --seed ${env["FUZZ_SEED"]} --from ${env["FUZZ_FROM"]}`);
const run = spawn(
  "node",
  [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--disable-console-intercept=true", "tests/query/fuzz.test.ts"],
  { cwd: ROOT, env: { ...process.env, ...env }, stdio: "inherit" },
);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => run.kill(signal));
run.once("exit", (code) => process.exit(code ?? 1));

function readArguments(args: readonly string[]): Record<string, string> {
  const read: Record<string, string> = {
    FUZZ_REQUESTS: "50000",
    FUZZ_SEED: String(Date.now() % 1_000_000),
    FUZZ_FROM: "0",
  };
  for (let place = 0; place < args.length; place += 2) {
    const [name = "", value = ""] = [args[place], args[place + 1]];
    const variable = NAMES[name];
    if (variable === undefined || !/^\d{1,9}$/.test(value)) {
      console.error(`${name} ${value} can't be read. There is: ${USAGE}`);
      process.exit(1);
    }
    read[variable] = value;
  }
  return read;
}
