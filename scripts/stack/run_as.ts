import { spawnSync } from "node:child_process";
import { constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";

/** Postgres refuses to run as root. This is who runs it when we are root, and how. */
export interface RunAs {
  /** Owns the cluster's files. */
  uid: number;
  gid: number;
  /** What the command is put behind; without it the child is started with the two ids. */
  prefix: string[];
}

/**
 * The ordinary user to run Postgres as; undefined when we are one. Where that user may not enter one of
 * the folders (a checkout under /root, or made by mktemp -d), it gets the one capability it lacks, or
 * else root itself plays an ordinary user inside a user namespace.
 * @throws when the system offers none of that
 */
export function ordinaryUser(folders: readonly string[]): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const user = ["postgres", "nobody"].map(lookUp).find((found) => found !== undefined);
  if (user === undefined)
    throw new Error(
      "Postgres does not run as root, and there is no user postgres or nobody. Start as an ordinary user.",
    );
  if (folders.every(isOpenToAll)) return { ...user, prefix: [] };

  const { uid, gid } = user;
  const capable = [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup", // Otherwise access(2), by which Postgres finds its own files, ignores the capability.
  ];
  if (mayEnter(capable, folders)) return { uid, gid, prefix: capable };
  const namespace = ["unshare", "--user", `--map-user=${uid}`, `--map-group=${gid}`];
  if (mayEnter(namespace, folders)) return { uid: 0, gid: 0, prefix: namespace };
  throw new Error(
    `Postgres does not run as root, and an ordinary user may not enter ${folders.find((folder) => !isOpenToAll(folder))}. Move the checkout to a folder that everybody may enter, or start as an ordinary user.`,
  );
}

function lookUp(name: string): { uid: number; gid: number } | undefined {
  const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name], { encoding: "utf8" }).stdout?.trim());
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

function isOpenToAll(folder: string): boolean {
  for (let path = resolve(folder); ; path = dirname(path)) {
    // What does not exist yet will be made by us, open.
    if (existsSync(path) && (statSync(path).mode & constants.S_IXOTH) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

function mayEnter([command = "", ...args]: string[], folders: readonly string[]): boolean {
  return folders.every((folder) => spawnSync(command, [...args, "test", "-x", `${resolve(folder)}/.`]).status === 0);
}
