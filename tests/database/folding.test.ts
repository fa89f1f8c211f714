import { expect, test } from "vitest";
import { fold, lowerCase } from "../../shared/query/fold.ts";
import { wordsOf } from "../../shared/query/words.ts";
import { database } from "../harness/stack.ts";

const CHUNK = 60_000;

/** Every code point that a text may have, a chunk at a time. */
function* codePoints(): Generator<number[]> {
  for (let from = 1; from <= 0x10ffff; from += CHUNK) {
    const points = Array.from({ length: CHUNK }, (_, index) => from + index);
    yield points.filter((point) => point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
  }
}

test.each([
  ["alone", "", ""],
  ["in a word", "a", "b"],
  ["at a word's end", "xα", " y"],
] as const)("every code point, %s, is folded in SQL as it is in the API", async (_where, before, after) => {
  const sql = database();
  const different: string[] = [];
  for (const points of codePoints()) {
    const texts = points.map((point) => before + String.fromCodePoint(point) + after);
    const rows = await sql`
      select crm.fold(text) as folded from unnest(${texts}::text[]) with ordinality as listed (text, n) order by n`;
    for (const [index, { folded }] of rows.entries())
      if (folded !== fold(texts[index] ?? "")) different.push((points[index] ?? 0).toString(16));
  }
  expect(different).toEqual([]);
});

test("every code point separates words in SQL as it does in the API", async () => {
  const sql = database();
  const different: string[] = [];
  for (const points of codePoints()) {
    const texts = points.map((point) => `ab${String.fromCodePoint(point)}cd`);
    const rows = await sql`
      select crm.words_of(text) as words from unnest(${texts}::text[]) with ordinality as listed (text, n) order by n`;
    for (const [index, { words }] of rows.entries())
      if (words !== wordsOf(texts[index] ?? "").join(" ")) different.push((points[index] ?? 0).toString(16));
  }
  expect(different).toEqual([]);
});

test("what is no letter, mark or number separates words, and nothing else does", () => {
  const different: string[] = [];
  for (const points of codePoints())
    for (const point of points) {
      const [letter = ""] = [...fold(String.fromCodePoint(point))];
      if (letter === "" || letter === "'" || /\p{Cn}/u.test(letter)) continue;
      const isApart = wordsOf(`a${letter}b`).join(" ") === "a b";
      if (isApart === /[\p{L}\p{M}\p{N}]/u.test(letter)) different.push(point.toString(16));
    }
  expect(different).toEqual([]);
});

test("an address is in lower case in SQL as it is in the API", async () => {
  const [row] = await database()`select lower('ΑΣ.Ünï@X.Example') as lower`;
  expect(row?.["lower"]).toBe(lowerCase("ΑΣ.Ünï@X.Example"));
});
