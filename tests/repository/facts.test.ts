import { expect, test } from "vitest";
import { FACTS_FILE, generateFacts } from "../../scripts/gen_facts.ts";
import { read } from "./source_files.ts";

test(`${FACTS_FILE} is what shared/resources declares: run \`npm run gen:facts\` after a change`, () => {
  expect(read(FACTS_FILE)).toBe(generateFacts());
});
