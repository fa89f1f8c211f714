// npm run fuzz: strange requests to every route of a stack of its own, until one breaks the contract or all are answered.
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { argumentsOrHelp } from "./arguments.ts";
import { ROOT } from "./stack/settings.ts";

const given = argumentsOrHelp({
  summary: "Sends strange requests to every route of a stack of its own, until one breaks the contract.",
  example: "npm run fuzz -- --requests 1000",
  options: {
    "--requests": { value: "COUNT", help: "how many; 50000 when absent" },
    "--seed": { value: "N", help: "which requests; others each time when absent" },
    "--from": { value: "N", help: "from which of them on; 0 when absent" },
  },
});
const env = {
  FUZZ_REQUESTS: numberOrExit("--requests", 50_000),
  FUZZ_SEED: numberOrExit("--seed", Date.now() % 1_000_000),
  FUZZ_FROM: numberOrExit("--from", 0),
};
console.log(`› ${env.FUZZ_REQUESTS} requests, replayed by --seed ${env.FUZZ_SEED} --from ${env.FUZZ_FROM}`);
const run = spawn(
  "node",
  [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--disable-console-intercept=true", "tests/query/fuzz.test.ts"],
  { cwd: ROOT, env: { ...process.env, ...env }, stdio: "inherit" },
);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => run.kill(signal));
run.once("exit", (code) => process.exit(code ?? 1));

function numberOrExit(name: string, fallback: number): string {
  const number = String(given[name] ?? fallback);
  if (/^\d{1,9}$/.test(number)) return number;
  console.error(`${name} takes a whole number of at most nine digits, not "${number}".`);
  process.exit(1);
}
