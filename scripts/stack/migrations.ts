import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import postgres from "postgres";

/**
 * Applies the migrations that a database has not seen, in order, each in a transaction, and notes them
 * in the history table of the Supabase CLI. Answers how many were applied.
 * @throws with file, line and Postgres' message; when an applied file was changed since
 */
export async function migrate(sql: postgres.Sql, folder: string): Promise<number> {
  await sql.unsafe(`
    create schema if not exists supabase_migrations;
    create table if not exists supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
  `);
  const applied = new Map(
    (await sql`select version, statements[1] as text from supabase_migrations.schema_migrations`).map((row) => [
      row["version"],
      row["text"],
    ]),
  );
  const files = readdirSync(folder)
    .filter((file) => /^\d{14}_\w+\.sql$/.test(file))
    .sort();
  let count = 0;
  for (const file of files) {
    const [, version = "", name = ""] = /^(\d+)_(\w+)\.sql$/.exec(file) ?? [];
    const text = readFileSync(join(folder, file), "utf8");
    if (applied.get(version) === text) continue;
    if (applied.has(version))
      throw new Error(
        `${file} was changed after it was applied to this database. Start anew with: npm run reset && npm start`,
      );
    await runFile(sql, join(folder, file), async (transaction) => {
      await transaction`insert into supabase_migrations.schema_migrations (version, statements, name) values (${version}, ${[text]}, ${name})`;
    });
    count += 1;
  }
  return count;
}

/** Runs the seed file where there is one. */
export async function seed(sql: postgres.Sql, file: string): Promise<void> {
  if (existsSync(file)) await runFile(sql, file);
}

async function runFile(
  sql: postgres.Sql,
  file: string,
  andThen: (transaction: postgres.TransactionSql) => Promise<void> = async () => {},
): Promise<void> {
  const text = readFileSync(file, "utf8");
  try {
    await sql.begin(async (transaction) => {
      await transaction.unsafe(text);
      await andThen(transaction);
    });
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    const line = error.position === undefined ? "" : `:${text.slice(0, Number(error.position)).split("\n").length}`;
    throw new Error(`${basename(file)}${line}: ${error.message}${error.where ? `\n${error.where}` : ""}`);
  }
}
