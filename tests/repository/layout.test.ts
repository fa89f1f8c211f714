import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { filesIn, importsOf } from "./source_files.ts";

const ENTRY = "functions/api/index.ts";

/** From the bottom up: a file imports from its own layer and from those below it. */
const LAYERS = [
  [
    "shared/config.ts",
    "shared/signing_key.ts",
    "shared/errors.ts",
    "shared/bounds.ts",
    "shared/rights.ts",
    "shared/standards",
  ],
  ["shared/resources"],
  ["shared/query", "shared/db", "shared/auth", "shared/limits", "shared/events"],
  [
    "shared/http",
    "shared/middleware",
    "shared/imports",
    "shared/jobs",
    "shared/mail",
    "shared/webhooks",
    "shared/openapi",
  ],
  ["functions"],
];

const code = [...filesIn("functions"), ...filesIn("shared")].filter((path) => path.endsWith(".ts"));

function layerOf(path: string): number {
  return LAYERS.findIndex((places) => places.some((place) => path === place || path.startsWith(`${place}/`)));
}

/** The files of the repository that a file imports. */
function ownImportsOf(path: string): string[] {
  return importsOf(path)
    .filter((name) => name.startsWith("."))
    .map((name) => normalize(join(dirname(path), name)));
}

test("every file of the function belongs to a layer", () => {
  expect(code.filter((path) => layerOf(path) === -1)).toEqual([]);
});

test("imports go one way: functions → http, middleware → query, db, auth, limits → resources", () => {
  const upward = code.flatMap((path) =>
    ownImportsOf(path)
      .filter((imported) => layerOf(imported) === -1 || layerOf(imported) > layerOf(path))
      .map((imported) => `${path} imports ${imported}`),
  );
  expect(upward).toEqual([]);
});

test("every file of the function is reached from its entry file", () => {
  const reached = new Set([ENTRY]);
  for (const path of reached) {
    for (const imported of ownImportsOf(path)) reached.add(imported);
  }
  expect(code.filter((path) => !reached.has(path))).toEqual([]);
});

test("files and folders are named in snake_case", () => {
  const ours = ["bench", "functions", "scripts", "shared", "supabase", "tests"].flatMap(filesIn);
  expect(ours.filter((path) => !/^(?:[a-z0-9_]+\/)*[a-z0-9_]+(?:\.test)?\.[a-z]+$/.test(path))).toEqual([]);
});

test("only the platform's entry point is called index.ts", () => {
  const ours = ["bench", "functions", "scripts", "shared", "tests"].flatMap(filesIn);
  expect(ours.filter((path) => path.endsWith("/index.ts"))).toEqual([ENTRY]);
});
