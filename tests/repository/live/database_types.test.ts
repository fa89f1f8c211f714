import { expect, test } from "vitest";
import { generateTypes } from "../../../scripts/gen_types.ts";
import { stack } from "../../harness/stack.ts";
import { read } from "../source_files.ts";

test("shared/db/database_types.ts is what the database gives: run `npm run gen` after a migration", async () => {
  expect(read("shared/db/database_types.ts")).toBe(await generateTypes(stack().databaseUrl));
});
