// Outlives a supervisor that was killed, and ends the programs it left behind. It waits on a pipe that
// the supervisor holds open; the system closes that, however the supervisor goes. After an orderly
// stop it finds nothing to do.
import process from "node:process";
import { endNotedProcesses } from "./processes.ts";

const [dataDir = "", supervisor] = process.argv.slice(2);
for await (const _ of process.stdin); // Nothing is ever written.
await endNotedProcesses(dataDir, Number(supervisor));
