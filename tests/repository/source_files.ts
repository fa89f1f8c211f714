import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ROOT } from "../../scripts/stack/settings.ts";

/** What is not ours, or not in the repository. */
const IGNORED = new Set([".env", ".git", ".local", ".temp", ".branches", "node_modules"]);

/** Paths below a folder of the repository, relative to the root. Folders that do not exist are empty. */
export function filesIn(folder: string): string[] {
  const walk = (at: string): string[] => {
    try {
      return readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
        if (IGNORED.has(entry.name)) return [];
        return entry.isDirectory() ? walk(join(at, entry.name)) : [relative(ROOT, join(at, entry.name))];
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  };
  return walk(join(ROOT, folder));
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** A TypeScript file without its comments; line numbers stay. */
export function codeOf(path: string): string {
  return read(path)
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ""))
    .replaceAll(/(^|\s)\/\/.*$/gm, "$1");
}

/** The specifiers that a TypeScript file imports, types included. */
export function importsOf(path: string): string[] {
  return [
    ...codeOf(path).matchAll(/(?:^|\n)\s*(?:import|export)\b[^;"']*?\bfrom\s*"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"/g),
  ].map((match) => match[1] ?? match[2] ?? "");
}
