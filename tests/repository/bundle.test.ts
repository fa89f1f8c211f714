import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "@deno/eszip";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/stack/settings.ts";
import { filesIn } from "./source_files.ts";

const MEGABYTE = 1024 * 1024;
const rootUrl = pathToFileURL(ROOT).href;

/** Bundles as the platform does, from files of the repository only. */
async function bundle(): Promise<{ eszip: Uint8Array; modules: string[] }> {
  const modules: string[] = [];
  const load = async (specifier: string) => {
    if (/^(?:npm|node):/.test(specifier)) return { kind: "external" as const, specifier };
    if (!specifier.startsWith(rootUrl)) throw new Error(`${specifier} is not in the repository`);
    modules.push(specifier.slice(rootUrl.length));
    return { kind: "module" as const, specifier, content: readFileSync(fileURLToPath(specifier), "utf8") };
  };
  const eszip = await build([`${rootUrl}functions/api/index.ts`], load, `${rootUrl}deno.json`);
  return { eszip, modules };
}

test("the function's modules bundle without network, and all but packages come from functions/ and shared/", async () => {
  const { eszip, modules } = await bundle();
  expect(new TextDecoder().decode(eszip.subarray(0, 5))).toBe("ESZIP");
  expect(modules.filter((path) => !/^(?:functions|shared)\/|^deno\.json$/.test(path))).toEqual([]);
  expect(eszip.length).toBeLessThan(2 * MEGABYTE);
});

test("the bundle with every package it can reach, whole, compresses to less than the platform's 5 MB", async () => {
  const { eszip } = await bundle();
  const folders = execFileSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], { cwd: ROOT, encoding: "utf8" });
  const packages = folders
    .trim()
    .split("\n")
    .slice(1)
    .map((folder) => folder.slice(ROOT.length));
  expect(packages).toContain("node_modules/hono");
  const files = packages.flatMap((folder) => filesIn(folder)).map((path) => readFileSync(ROOT + path));
  const compressed = brotliCompressSync(Buffer.concat([eszip, ...files]), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
  expect(compressed.length).toBeLessThan(5 * MEGABYTE);
});
