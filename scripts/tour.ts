// npm run tour: the README's tour, run against the stack on this machine, with what each request was answered.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { argumentsOrHelp } from "./arguments.ts";
import { DATA_DIR_OPTION, dataDirOf, ROOT } from "./stack/settings.ts";
import { tourBlocks } from "./tour_blocks.ts";

const given = argumentsOrHelp({
  summary:
    "Runs the commands of the README's tour against the stack that runs on this machine, and prints what each is answered.",
  example: "npm run tour",
  options: { "--data-dir": DATA_DIR_OPTION },
});
const env = join(dataDirOf(given["--data-dir"]), "env");
if (!existsSync(env)) {
  console.error("No stack has run there yet. Start one first, in another terminal: npm start");
  process.exit(1);
}
const blocks = tourBlocks(readFileSync(join(ROOT, "README.md"), "utf8"));
const script = [readFileSync(join(ROOT, "scripts/tour_curl.sh"), "utf8"), ...blocks]
  .join("\n")
  .replaceAll(". .local/env", '. "$ENV_FILE"');
const shell = spawn("bash", ["-c", script], {
  env: { ...process.env, ENV_FILE: env },
  stdio: ["ignore", "inherit", "inherit"],
});
shell.once("error", () => {
  console.error("The tour needs bash, curl and jq.");
  process.exit(1);
});
shell.once("close", (code) => process.exit(code ?? 1));
