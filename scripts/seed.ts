// npm run seed: grows the demo workspace of the stack that runs on this machine.
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { argumentsOrHelp, type Usage } from "./arguments.ts";
import { DEMO_WORKSPACES } from "./seed/demo.ts";
import { grouped, growWorkspace, tidyUp } from "./seed/grow.ts";
import { UNTOLD } from "./seed/untold.ts";
import { DATA_DIR_OPTION, dataDirOf } from "./stack/settings.ts";
import type { StackInfo } from "./stack/stack_info.ts";

const USAGE: Usage = {
  summary: "Grows a demo workspace of the stack that runs on this machine.",
  example: "npm run seed -- --contacts 1000000",
  options: {
    "--contacts": { value: "COUNT", help: "how many contacts there are to be, all else in proportion" },
    "--workspace": { value: "ID", help: "which workspace; that of KEY_STANDARD when absent" },
    "--data-dir": DATA_DIR_OPTION,
  },
};
const MAX_CONTACTS = 9_999_999; // Their serial numbers have seven digits.
const MUCH = 20_000;
const progress = (line: string) => console.log(`› ${line}`);

interface Arguments {
  contacts: number;
  dataDir: string;
  workspaceId: string;
}

try {
  const { contacts, dataDir, workspaceId } = readGiven();
  const sql = await connect(dataDir);
  try {
    await seed(sql, contacts, workspaceId);
  } finally {
    await sql.end({ timeout: 2 });
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

async function seed(sql: postgres.Sql, contacts: number, workspaceId: string): Promise<void> {
  const startedAt = performance.now();
  const records = await growWorkspace(sql, { workspaceId, contacts, now: Date.now() }, progress);
  if (records === 0) return progress(`The workspace has ${grouped(contacts)} contacts or more already.`);
  if (records > MUCH) {
    progress("Tidying up");
    await tidyUp(sql);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  progress(
    `${grouped(records)} records in ${seconds.toFixed(1)} s, ${grouped(Math.round(records / seconds))} a second`,
  );
}

function readGiven(): Arguments {
  const given = argumentsOrHelp(USAGE);
  if (typeof given["--contacts"] !== "string")
    throw new Error(`Say how many contacts there are to be: ${USAGE.example}`);
  const workspace = given["--workspace"];
  return {
    contacts: readCount(given["--contacts"]),
    dataDir: dataDirOf(given["--data-dir"]),
    workspaceId: typeof workspace === "string" ? readId(workspace) : DEMO_WORKSPACES[0].id,
  };
}

function readCount(text: string): number {
  const count = Number(text.replace(/[_,]/g, ""));
  if (Number.isInteger(count) && count >= 1 && count <= MAX_CONTACTS) return count;
  throw new Error(`--contacts takes a number from 1 to ${grouped(MAX_CONTACTS)}, not "${text}".`);
}

function readId(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw new Error(`--workspace takes the id of a workspace, a UUID, not "${text}".`);
}

async function connect(dataDir: string): Promise<postgres.Sql> {
  const file = join(dataDir, "stack.json");
  const notRunning = `No stack runs on ${dataDir}. Start one first, in another terminal: npm start`;
  if (!existsSync(file)) throw new Error(notRunning);
  const { databaseUrl }: StackInfo = JSON.parse(readFileSync(file, "utf8"));
  const sql = postgres(databaseUrl, {
    max: connections(),
    connect_timeout: 5,
    onnotice: () => {},
    connection: UNTOLD,
  });
  try {
    await sql`select 1`;
  } catch (error) {
    // A stack that ended leaves its file behind.
    throw new Error(notRunning, { cause: error });
  }
  return sql;
}

// Postgres works for each connection on a processor of its own; more than a few get in each other's way.
function connections(): number {
  return Math.min(4, availableParallelism());
}
