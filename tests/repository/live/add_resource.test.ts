import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../../../scripts/stack/settings.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { Client } from "../../harness/client.ts";
import { differences, readCatalog } from "../../harness/facts.ts";
import { startTestStack } from "../../harness/global_setup.ts";

// The README's "Add a field" and "Add a resource", followed to the letter in a copy of the repository.

let copy: string;
let running: Awaited<ReturnType<typeof startTestStack>>;
let client: Client;

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), "crm-copy-"));
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const file of files
    .split("\n")
    .filter((name) => /^(functions|shared|scripts|supabase|[a-z]+\.json)/.test(name))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(ROOT, file), join(copy, file));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  for (const { path, kind, text } of [...steps("Add a field"), ...steps("Add a resource")]) {
    if (kind === "diff") applyDiff(join(copy, path), text);
    else writeFileSync(join(copy, path), text);
  }
  execFileSync("npm", ["run", "-s", "gen:facts"], { cwd: copy });
  running = await startTestStack({}, copy);
  // What its routes declare, only that checkout knows.
  client = new Client(running.info.functionUrl, running.info.keys["KEY_ENTERPRISE"] ?? "", {
    name: "v1",
    resources: null,
  });
});

afterAll(async () => {
  await running?.stop();
  rmSync(copy, { recursive: true, force: true });
});

/** The fenced blocks of the section, each with the path that the paragraph before it begins with. */
function steps(title: string): { path: string; kind: string; text: string }[] {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const section = readme.split(`### ${title}\n`)[1]?.split(/\n##+ /)[0] ?? "";
  return [...section.matchAll(/^`([\w/.]+)`:[^`]*(?:`[^`]+`[^`]*)*?\n\n```(\w+)\n(.*?)^```/gms)].map(
    ([, path = "", kind = "", text = ""]) => ({ path, kind, text }),
  );
}

/** Applies a diff of lines to where its unchanged and removed lines stand. */
function applyDiff(file: string, diff: string): void {
  let text = readFileSync(file, "utf8");
  const lines = diff.trimEnd().split("\n");
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith("+")) continue;
    const next = lines[index + 1];
    const previous = lines[index - 1];
    const anchor = previous?.startsWith("-") ? previous.slice(1) : next?.slice(1);
    if (anchor === undefined || !text.includes(`${anchor}\n`)) throw new Error(`${file} has no line: ${anchor}`);
    text = text.replace(
      `${anchor}\n`,
      previous?.startsWith("-") ? `${line.slice(1)}\n` : `${line.slice(1)}\n${anchor}\n`,
    );
  }
  writeFileSync(file, text);
}

test("the README has a migration, a declaration and a line in the list", () => {
  expect(steps("Add a resource").map(({ path }) => path)).toEqual([
    "supabase/migrations/20270101000000_products.sql",
    "shared/resources/products.ts",
    "shared/resources/all.ts",
  ]);
});

test("the new field is validated, filtered, sorted by, kept in history and imported", async () => {
  const made = await client.post("/companies", { name: "Old", founded_year: 1850 });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  await client.post("/companies", { name: "New", founded_year: 2020 });
  expect((await client.post("/companies", { name: "B", founded_year: 50 })).error.details).toHaveProperty(
    "founded_year",
  );
  const list = await client.get("/companies?sort=founded_year&founded_year[gte]=1800&fields=founded_year");
  expect(list.data.map(({ founded_year }: { founded_year: number }) => founded_year)).toEqual([1850, 2020]);
  const { id } = made.data;
  expect((await client.patch(`/companies/${id}`, { founded_year: 1851 })).data).toMatchObject({ version: 2 });
  const [change] = (await client.get(`/companies/${id}/history`)).data;
  expect(change).toMatchObject({ field: "founded_year", from: 1850, to: 1851 });
  const content = "name,domain,founded_year\nThird,third.example,1999\n";
  const { data } = await client.post("/imports", { resource: "companies", format: "csv", content });
  await expect
    .poll(async () => (await client.get(`/imports/${data.id}`)).data.status, { timeout: 20_000 })
    .toBe("completed");
  expect((await client.get("/companies?founded_year=1999")).meta.total).toBe(1);
});

test("the new resource has everything that the others have", async () => {
  const made = await client.post("/products", { name: "Robot", price: "12.50", tags: ["new"] });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  expect(made.data).toMatchObject({ name: "Robot", price: "12.50", status: "draft", version: 1, custom_fields: {} });
  const { id } = made.data;
  expect((await client.post("/products", { name: "Robot" })).error).toMatchObject({
    code: "duplicate_name",
    details: { existing_id: id },
  });
  expect((await client.post("/products", { nam: "x" })).error.details.nam[0]).toContain("Did you mean name?");
  expect((await client.post("/products", { name: "B", company_id: id })).error.code).toBe("reference_not_found");
  const bulk = await client.post("/products/bulk", {
    records: [
      { name: "A", price: 3 },
      { name: "C", status: "sold" },
    ],
  });
  expect(bulk.status).toBe(201);

  const list = await client.get("/products?sort=-price&price[gte]=3&fields=name");
  expect(list.status, JSON.stringify(list.body)).toBe(200);
  expect(list.data.map(({ name }: { name: string }) => name)).toEqual(["Robot", "A"]);
  expect(list.meta.total).toBe(2);
  expect((await client.get("/products?search=rob&include=company")).data[0]).toMatchObject({ id, company: null });
  expect((await client.get("/search?q=robot&types=products")).data[0]).toMatchObject({ type: "product", id });

  expect((await client.patch(`/products/${id}`, { status: "sold" })).data).toMatchObject({
    status: "sold",
    version: 2,
  });
  expect((await client.get(`/products/${id}/history`)).data[0]).toMatchObject({
    field: "status",
    from: "draft",
    to: "sold",
  });
  await client.post("/custom_fields", { resource: "products", key: "colour", label: "Colour", type: "text" });
  expect((await client.patch(`/products/${id}`, { custom_fields: { colour: "red" } })).status).toBe(200);
  expect((await client.get("/products?custom_fields.colour=red")).meta.total).toBe(1);
  expect((await client.delete(`/products/${id}`)).status).toBe(200);
  expect((await client.get(`/products/${id}`)).status).toBe(404);
  expect((await client.post(`/products/${id}/restore`)).status).toBe(200);
});

test("its declaration and its migration say the same", async () => {
  const { products }: { products: Resource } = await import(join(copy, "shared/resources/products.ts"));
  const sql = postgres(running.info.databaseUrl, { max: 1 });
  expect(await differences(sql, await readCatalog(sql), [products])).toEqual([]);
  await sql.end();
});
