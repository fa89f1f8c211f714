// npm start: the whole API on this machine, without Docker.
import process from "node:process";
import { readSettings } from "./stack/settings.ts";
import { startStack } from "./stack/stack.ts";

const startedAt = performance.now();
const progress = (line: string) => console.log(line.startsWith(" ") ? line : `› ${line}`);

try {
  const settings = await readSettings(process.argv.slice(2), process.env);
  const interrupted = new Promise<string>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve(signal));
  });
  const starting = startStack(settings, progress);
  const stack = await Promise.race([starting, interrupted]);
  if (typeof stack === "string") {
    await (await starting.catch(() => undefined))?.stop();
    process.exit(0);
  }

  const { apiUrl, keys } = stack.info;
  console.log(`
The API runs after ${((performance.now() - startedAt) / 1000).toFixed(1)} s.

  Base URL   ${apiUrl}
${Object.entries(keys)
  .map(([name, key]) => `  ${name.padEnd(18)} ${key}`)
  .join("\n")}

The same is in ${settings.dataDir}/env. Try it:

  curl -X POST ${apiUrl}/v1/contacts -H "Authorization: Bearer ${keys["KEY_STANDARD"]}" -H "Content-Type: application/json" -d '{"first_name":"Jane","last_name":"Smith","email":"jane@example.com"}'

Ctrl-C stops everything.`);

  const end = await Promise.race([interrupted, stack.broken]);
  const bySignal = end.startsWith("SIG");
  console.log(bySignal ? "\n› Stopping" : end);
  await stack.stop();
  process.exit(bySignal ? 0 : 1);
} catch (error) {
  console.error(`\nThe API could not start. ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
