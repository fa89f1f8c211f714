import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./settings.ts";

/** What `supabase/config.toml` says of PostgREST. */
export interface ApiSettings {
  schemas: string[];
  extraSearchPath: string[];
  /** Longer answers are cut off there, without a word. */
  maxRows: number;
}

/** @throws when the file or one of the three settings is missing */
export function readApiSettings(): ApiSettings {
  const file = join(ROOT, "supabase", "config.toml");
  const section = /^\[api\]$(.*?)(?=^\[|$(?![\s\S]))/ms.exec(readFileSync(file, "utf8"))?.[1] ?? "";
  const value = (name: string): string => {
    const found = new RegExp(`^${name}\\s*=\\s*(.+)$`, "m").exec(section)?.[1];
    if (found === undefined) throw new Error(`${file} has no ${name} under [api].`);
    return found;
  };
  const list = (name: string): string[] => [...value(name).matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
  return {
    schemas: list("schemas"),
    extraSearchPath: list("extra_search_path"),
    maxRows: Number.parseInt(value("max_rows"), 10),
  };
}
