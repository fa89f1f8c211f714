import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import postgres from "postgres";
import { lineAt, type Statement, splitStatements } from "./sql_statements.ts";

// The tables of the Supabase CLI, so that it takes over where this left off.
const HISTORY = `
  create schema if not exists supabase_migrations;
  create table if not exists supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
  create table if not exists supabase_migrations.seed_files (path text primary key, hash text not null);
`;
const ANEW = "Start anew with: npm run reset && npm start";

interface Migration {
  file: string;
  version: string;
  name: string;
}

/**
 * Applies the migrations that a database has not seen, in order, each in a transaction. Answers how many.
 * @throws with file, line and Postgres' message; when files and database don't tell the same history
 */
export async function migrate(sql: postgres.Sql, folder: string): Promise<number> {
  await sql.unsafe(HISTORY);
  const rows = await sql<{ version: string; statements: string[] }[]>`
    select version, statements from supabase_migrations.schema_migrations order by version`;
  const applied = new Map(rows.map(({ version, statements }) => [version, statements]));
  const latest = rows.at(-1)?.version ?? "";
  const migrations = listMigrations(folder);

  const gone = rows.find(({ version }) => !migrations.some((migration) => migration.version === version));
  if (gone !== undefined)
    throw new Error(`Migration ${gone.version} was applied to this database, and its file is gone. ${ANEW}`);
  let count = 0;
  for (const { file, version, name } of migrations) {
    const path = join(folder, file);
    const texts = splitStatements(readFileSync(path, "utf8")).map(({ text }) => text);
    const before = applied.get(version);
    if (before !== undefined) {
      if (JSON.stringify(before) !== JSON.stringify(texts))
        throw new Error(`${file} was changed after it was applied to this database. ${ANEW}`);
      continue;
    }
    if (version < latest)
      throw new Error(
        `${file} is older than migration ${latest}, which was applied already. Give it a later timestamp, or: ${ANEW}`,
      );
    await runFile(sql, path, async (transaction) => {
      await transaction`insert into supabase_migrations.schema_migrations (version, statements, name) values (${version}, ${texts}, ${name})`;
    });
    count += 1;
  }
  return count;
}

/** Runs the seed file, where there is one, once in a database's life. Answers whether it ran. */
export async function seed(sql: postgres.Sql, file: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  const path = `supabase/${basename(file)}`;
  if (await isSeeded(sql, path)) return false;
  const hash = createHash("sha256").update(readFileSync(file)).digest("hex");
  await runFile(sql, file, (transaction) => noteSeeded(transaction, path, hash));
  return true;
}

/** Whether what stands at that path has seeded this database. */
export async function isSeeded(sql: postgres.Sql, path: string): Promise<boolean> {
  const [done] = await sql`select 1 from supabase_migrations.seed_files where path = ${path}`;
  return done !== undefined;
}

/** Notes, in the transaction that seeds, that it is done. */
export async function noteSeeded(transaction: postgres.TransactionSql, path: string, hash: string): Promise<void> {
  await transaction`insert into supabase_migrations.seed_files (path, hash) values (${path}, ${hash})`;
}

function listMigrations(folder: string): Migration[] {
  return readdirSync(folder)
    .sort()
    .flatMap((file) => {
      const { version, name } = /^(?<version>\d+)_(?<name>.*)\.sql$/.exec(file)?.groups ?? {};
      return version === undefined || name === undefined ? [] : [{ file, version, name }];
    });
}

async function runFile(
  sql: postgres.Sql,
  file: string,
  andThen: (transaction: postgres.TransactionSql) => Promise<void>,
): Promise<void> {
  const text = readFileSync(file, "utf8");
  await sql.begin(async (transaction) => {
    // One by one: an error without a position still gets the line of its statement.
    for (const statement of splitStatements(text)) {
      await transaction.unsafe(statement.text).catch((error) => {
        throw error instanceof postgres.PostgresError ? new Error(describe(error, file, text, statement)) : error;
      });
    }
    await andThen(transaction);
  });
}

function describe(error: postgres.PostgresError, file: string, text: string, { offset, line }: Statement): string {
  const exactLine = error.position === undefined ? line : lineAt(text, offset + Number(error.position) - 1);
  return [`${basename(file)}:${exactLine}: ${error.message}`, error.detail, error.hint, error.where]
    .filter((part) => part)
    .join("\n  ");
}
