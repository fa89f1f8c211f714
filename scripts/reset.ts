// npm run reset: wipes the data folder, so that the next start begins anew.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { argumentsOrHelp } from "./arguments.ts";
import { lockDataDir } from "./stack/data_dir_lock.ts";
import { endNotedProcesses } from "./stack/processes.ts";
import { DATA_DIR_OPTION, dataDirOf } from "./stack/settings.ts";

/** What every stack leaves in its folder, and no other program. */
const MARKS = ["secrets.json", "processes"];

try {
  const given = argumentsOrHelp({
    summary: "Wipes the data folder of a stack that does not run.",
    example: "npm run reset -- --data-dir .second",
    options: { "--data-dir": DATA_DIR_OPTION },
  });
  const dataDir = dataDirOf(given["--data-dir"]);
  if (!existsSync(dataDir)) {
    console.log(`There is no ${dataDir}: nothing to wipe.`);
    process.exit(0);
  }
  if (!MARKS.every((name) => existsSync(join(dataDir, name))))
    throw new Error(`${dataDir} was not made by npm start; it stays as it is.`);
  const unlock = await lockDataDir(dataDir);
  await endNotedProcesses(dataDir);
  try {
    rmSync(dataDir, { recursive: true, force: true });
  } catch {
    throw new Error(`Parts of ${dataDir} belong to another user, perhaps to root: reset as that one.`);
  }
  unlock();
  console.log(`${dataDir} is gone. The next npm start begins anew.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
