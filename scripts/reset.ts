// npm run reset: wipes the data folder, so that the next start begins anew.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { lockDataDir } from "./stack/data_dir_lock.ts";
import { endNotedProcesses } from "./stack/processes.ts";
import { readSettings } from "./stack/settings.ts";

try {
  const { dataDir } = await readSettings(process.argv.slice(2), process.env);
  if (!existsSync(dataDir)) {
    console.log(`There is no ${dataDir}: nothing to wipe.`);
    process.exit(0);
  }
  if (!existsSync(join(dataDir, "lock"))) throw new Error(`${dataDir} was not made by npm start; it stays as it is.`);
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
