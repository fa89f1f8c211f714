import { describe, expect, test } from "vitest";
import { type CsvRow, DELIMITERS, type Delimiter, readCsvRows } from "../../shared/imports/csv_rows.ts";

/** All rows of a text of which so many bytes more are at hand each time, with their lines. */
function readAll(text: string, { delimiter = ",", step = 1_000_000 }: { delimiter?: Delimiter; step?: number } = {}) {
  const bytes = Buffer.from(text);
  const rows: [number, CsvRow][] = [];
  let lines = 0;
  for (let from = 0, to = 0; from < bytes.length; ) {
    to = Math.min(to + step, bytes.length);
    const isEnd = to === bytes.length;
    const read = readCsvRows(bytes.subarray(from, to), { isEnd, max: 3, delimiter });
    for (const [index, row] of read.rows.entries()) rows.push([lines + (read.lineOf[index] ?? 0), row]);
    lines += read.lines;
    from += read.length;
    if (isEnd && read.length === 0) throw new Error("It makes no headway.");
  }
  return rows;
}

const open = { problem: "has a quoted cell that is not closed" };
const behind = { problem: "has text behind the closing quote of a cell" };

describe.each(DELIMITERS)("between cells stands %j", (delimiter) => {
  test.each(["\n", "\r\n", "\r"])("and lines end with %j", (end) => {
    const line = (...cells: string[]) => cells.join(delimiter) + end;
    const text =
      line("a", "b") +
      end +
      line(`"x${delimiter}""y"""`, `5" pipe`) +
      line(`"two${end}lines"`, "") +
      line(`"bad"x`, "1") +
      line("é", " c ");
    for (const step of [1, 2, 3, 7, 1_000])
      expect(readAll(text, { delimiter, step }), `${step}`).toEqual([
        [1, ["a", "b"]],
        [3, [`x${delimiter}"y"`, '5" pipe']],
        [4, [`two${end}lines`, ""]],
        [6, behind],
        [7, ["é", "c"]],
      ]);
  });
});

test.each(["\n", "\r\n", "\r"])("a quote that is not closed spoils its own row alone (%j)", (end) => {
  const text = ["a,b", "", '"never closed,1', "c,d", "e,f", ""].join(end);
  expect(readAll(text)).toEqual([
    [1, ["a", "b"]],
    [3, open],
    [4, ["c", "d"]],
    [5, ["e", "f"]],
  ]);
  expect(readAll(`a,b${end}"open,1${end}c,"d"${end}e,f`)).toEqual([
    [1, ["a", "b"]],
    [2, behind],
    [3, ["c", "d"]],
    [4, ["e", "f"]],
  ]);
});

test("a row that is longer than what is at hand is left, unless it is longer than any may be", () => {
  const bytes = Buffer.from(`"open\n${"x\n".repeat(1_000)}`);
  const options = { isEnd: false, max: 1, delimiter: "," } as const;
  expect(readCsvRows(bytes, options)).toMatchObject({ rows: [], length: 0 });
  expect(readCsvRows(bytes, { ...options, isLong: true })).toMatchObject({ rows: [open], length: 6, lines: 1 });
});
