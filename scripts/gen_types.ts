import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { promisify } from "node:util";
import { argumentsOrHelp } from "./arguments.ts";
import { databaseUrl } from "./database_url.ts";
import { ROOT } from "./stack/settings.ts";

const FILE = "shared/db/database_types.ts";
const HEADER = "// Generated from the database by `npm run gen`; a test compares the two. Do not edit.\n\n";

/**
 * The text of `shared/db/database_types.ts` for a database: what Supabase's own CLI makes of the schema
 * that we expose, in our format.
 * @throws with what the CLI says when it can't connect
 */
export async function generateTypes(url: string): Promise<string> {
  const types = await run("supabase", ["gen", "types", "typescript", "--schema", "api", `--remote=${url}`]);
  // The CLI prints notes about the connection before it.
  const start = types.indexOf("export type Json");
  if (start === -1) throw new Error(`The CLI printed no types:\n${types}`);
  // An unnamed argument is the whole body of the call, which the CLI types as a property without a name.
  const callable = types.slice(start).replaceAll('{ "": Json }', "Record<string, unknown>");
  return await run("biome", ["format", `--stdin-file-path=${FILE}`], HEADER + callable);
}

async function run(command: string, args: string[], input = ""): Promise<string> {
  const running = promisify(execFile)(`${ROOT}node_modules/.bin/${command}`, args, {
    cwd: ROOT,
    env: { ...process.env, SUPABASE_TELEMETRY_DISABLED: "1" },
    timeout: 60_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

if (import.meta.main) {
  argumentsOrHelp({
    summary: `Writes ${FILE} from the database of DATABASE_URL, or of the stack that runs on this machine.`,
    example: "npm run gen",
    options: {},
  });
  writeFileSync(ROOT + FILE, await generateTypes(databaseUrl()));
  console.log(`${FILE} is written.`);
}
