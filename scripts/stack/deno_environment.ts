import { accessSync, constants, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** What a Deno program of ours needs in its environment. */
export function denoEnvironment(dataDir: string): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", DENO_DIR: cacheDir(dataDir), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
}

// Compiled code is cached here: where the user's Deno keeps it, or with our data when the user has no home.
function cacheDir(dataDir: string): string {
  if (process.env["DENO_DIR"]) return process.env["DENO_DIR"];
  const userCache =
    process.platform === "darwin"
      ? join(homedir(), "Library/Caches")
      : process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const userDir = join(userCache, "deno");
  try {
    mkdirSync(userDir, { recursive: true });
    accessSync(userDir, constants.W_OK);
    return userDir;
  } catch {
    return join(dataDir, "deno");
  }
}
