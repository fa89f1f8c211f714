// npm start: the whole API on this machine, without Docker.
import process from "node:process";
import { argumentsOrHelp } from "./arguments.ts";
import { untilNpmIsGone } from "./stack/npm_parent.ts";
import { readSettings, START_USAGE } from "./stack/settings.ts";
import { type Stack, startStack } from "./stack/stack.ts";

const startedAt = performance.now();
const abort = new AbortController();
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  untilNpmIsGone().then(resolve);
});
interrupted.then(() => abort.abort());
process.on("uncaughtException", (error) => {
  if (abort.signal.aborted) return; // What was interrupted may complain that its server has gone.
  console.error(error);
  process.exit(1); // The watchdog ends the rest.
});

let stack: Stack | undefined;
try {
  const settings = await readSettings(argumentsOrHelp(START_USAGE), process.env);
  stack = await startStack(settings, (line) => console.log(`› ${line}`), {
    onFunctionError: (text) => console.error(text.trimEnd()),
    signal: abort.signal,
  });
  printWelcome(stack, settings.dataDir);
} catch (error) {
  if (!abort.signal.aborted) {
    console.error(`\nThe API could not start. ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
await interrupted;
console.log("\n› Stopping");
await stack?.stop();
process.exit(0);

function printWelcome({ info: { apiUrl, mailboxUrl, keys, signIn } }: Stack, dataDir: string): void {
  console.log(`
The API runs after ${((performance.now() - startedAt) / 1000).toFixed(1)} s.

  Base URL                 ${apiUrl}
${Object.entries({ ...keys, ...signIn, MAILBOX_URL: mailboxUrl })
  .map(([name, value]) => `  ${name.padEnd(24)} ${value}`)
  .join("\n")}

The same is in ${dataDir}/env. Try it:

  curl -X POST "${apiUrl}/v1/contacts?on_conflict=return" -H "Authorization: Bearer ${keys["KEY_STANDARD"]}" -H "Content-Type: application/json" -d '{"first_name":"Jane","last_name":"Smith","email":"jane@example.com"}'

Ctrl-C stops everything.`);
}
