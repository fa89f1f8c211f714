import { expect, test } from "vitest";
import { database } from "../../harness/stack.ts";
import { codeOf } from "../source_files.ts";

test("shared/db/api_functions.ts has the functions that schema api has, no more and no fewer", async () => {
  const functions = await database()`select proname from pg_proc where pronamespace = 'api'::regnamespace`;
  const [, members = ""] =
    /export interface ApiFunctions \{\n([\s\S]*?)\n\}/.exec(codeOf("shared/db/api_functions.ts")) ?? [];
  const typed = [...members.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]);
  expect(typed.sort()).toEqual(functions.map(({ proname }) => proname).sort());
});
