// npm run reset: wipes the data folder, so that the next start begins anew.
import { rmSync } from "node:fs";
import process from "node:process";
import { readSettings } from "./stack/settings.ts";
import { runningSupervisor } from "./stack/stack.ts";

const { dataDir } = await readSettings(process.argv.slice(2), process.env);
const pid = runningSupervisor(dataDir);
if (pid !== undefined) {
  console.error(`A stack runs on ${dataDir} (process ${pid}). Stop it first.`);
  process.exit(1);
}
rmSync(dataDir, { recursive: true, force: true });
console.log(`${dataDir} is gone. The next npm start begins anew.`);
