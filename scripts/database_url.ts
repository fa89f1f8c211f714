import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./stack/settings.ts";

/** The database of DATABASE_URL, else of the stack in `.local`. @throws when there is neither */
export function databaseUrl(): string {
  const given = process.env["DATABASE_URL"];
  if (given) return given;
  const file = join(ROOT, ".local/env");
  const url = existsSync(file) ? /^DATABASE_URL="?([^"\n]+)/m.exec(readFileSync(file, "utf8"))?.[1] : undefined;
  if (url === undefined) throw new Error("Set DATABASE_URL, or start the stack first: npm start");
  return url;
}
