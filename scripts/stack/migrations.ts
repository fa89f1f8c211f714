import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type postgres from "postgres";
import { logTail, startChild } from "./child.ts";
import { ROOT } from "./settings.ts";

const FOLDER = join(ROOT, "supabase/migrations");
const SEED = "supabase/seed.sql";
const ANEW = "Start anew with: npm run reset && npm start";

/**
 * Has the Supabase CLI apply the migrations that a database has not seen, and `supabase/seed.sql` once. It takes a second
 * and a half to find that there are none, so it is only asked when there are. Answers how many there were.
 * @throws with the CLI's words; when a file was changed after it was applied, which the CLI does not look at
 */
export async function migrate(
  sql: postgres.Sql | postgres.TransactionSql,
  { dataDir, databaseUrl }: { dataDir: string; databaseUrl: string },
): Promise<number> {
  const applied = await appliedMigrations(sql);
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(".sql"));
  const changed = files.find((file) => {
    const text = applied.get(versionOf(file));
    return text !== undefined && text !== bare(readFileSync(join(FOLDER, file), "utf8"));
  });
  if (changed !== undefined) throw new Error(`${changed} was changed after it was applied to this database. ${ANEW}`);
  const missing = files.filter((file) => !applied.has(versionOf(file)));
  if (missing.length > 0 || applied.size > files.length || !(await isSeeded(sql, SEED)))
    await push(dataDir, databaseUrl);
  return missing.length;
}

/** Whether what stands at that path has seeded this database. */
export async function isSeeded(sql: postgres.Sql | postgres.TransactionSql, path: string): Promise<boolean> {
  const [done] = await sql`select 1 from supabase_migrations.seed_files where path = ${path}`;
  return done !== undefined;
}

/** Notes, in the transaction that seeds, that it is done. */
export async function noteSeeded(transaction: postgres.TransactionSql, path: string, hash: string): Promise<void> {
  await transaction`insert into supabase_migrations.seed_files (path, hash) values (${path}, ${hash})`;
}

/** What the CLI has applied, by version. */
async function appliedMigrations(sql: postgres.Sql | postgres.TransactionSql): Promise<Map<string, string>> {
  const [history] = await sql`select to_regclass('supabase_migrations.seed_files') is not null as exists`;
  if (!history?.["exists"]) return new Map();
  const rows = await sql`select version, statements from supabase_migrations.schema_migrations`;
  return new Map(rows.map(({ version, statements }) => [version, bare(statements.join(""))]));
}

/** A text without what the CLI leaves out when it takes a file apart into statements. */
function bare(text: string): string {
  return text.replaceAll(/[\s;]/g, "");
}

function versionOf(file: string): string {
  return file.slice(0, file.indexOf("_"));
}

async function push(dataDir: string, databaseUrl: string): Promise<void> {
  // In a copy: beside a deployment's .env it would look for the Vault of a hosted project, and it keeps notes.
  const folder = mkdtempSync(join(dataDir, "supabase-cli-"));
  try {
    cpSync(join(ROOT, "supabase"), join(folder, "supabase"), { recursive: true });
    const child = startChild({
      name: "migrations",
      dataDir,
      command: join(ROOT, "node_modules/.bin/supabase"),
      args: [
        ...["--workdir", folder, "--agent", "no", "--yes"],
        ...["db", "push", "--include-seed", `--remote=${databaseUrl}`],
      ],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: folder,
        PGSSLMODE: "disable",
        NO_COLOR: "1",
        SUPABASE_TELEMETRY_DISABLED: "1",
      },
      spawnOptions: { cwd: folder },
    });
    const reason = await child.ended;
    if (reason !== "exit code 0")
      throw new Error(
        `The migrations could not be applied. To start anew: npm run reset && npm start.${logTail(child.logFile)}`,
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
