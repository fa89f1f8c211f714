import type { Field } from "../../shared/resources/define.ts";

/**
 * Values of every kind that a field may take. Which of them a field takes its schema says, so a field is
 * given samples by its facts alone; the plainest of each kind stand first, because few are used.
 */
const POOL: readonly unknown[] = [
  "Ann",
  "ann",
  "Zoë, 5%_\\ & Sons",
  "EUR",
  "USD",
  "DE",
  "a.example",
  "b.example",
  "Europe/Berlin",
  "UTC",
  "en-US",
  "https://a.example/x?y=1",
  "ann@a.example",
  "bo@b.example",
  "2026-01-01T00:00:00.000001Z",
  "2026-01-01T00:00:00.000002Z",
  "2026-01-02T00:00:00Z",
  "2026-01-01",
  "2026-01-02",
  "0.00",
  "10.50",
  "9.50",
  false,
  true,
  5,
  50,
  0,
  ["vip"],
  ["vip", "b,c"],
  ["amount"],
  ["value"],
  { city: "Köln", country: "DE" },
  { city: "Bonn" },
  { allow_skip: false },
  { allow_skip: true },
  { from: "+1 212 555 0100", status: "answered" },
  { type: "system", id: null },
  {},
  [],
  "00000000-0000-4000-8000-000000000001",
  "00000000-0000-4000-8000-000000000002",
];

const E164 = ["+12125550100", "+12125550101"];
const SAMPLES_PER_FIELD = 3;

/** Few values that a field takes, as a client sends them: never null, and the same ones in every run. */
export function samplesOf(field: Field, { isE164 = false } = {}): unknown[] {
  if (isE164) return E164;
  const options = field.schema.safeParse("no such option").error?.issues[0];
  const known = options?.code === "invalid_value" ? options.values : POOL;
  return known.filter((value) => field.schema.safeParse(value).success).slice(0, SAMPLES_PER_FIELD);
}

/** A value of each JSON type that most fields refuse. */
export const WRONG: readonly unknown[] = [null, true, 7.25, "\u2003", ["\u2003"], { nonsense: 1 }];

let serial = 0;

/** A value that no record of this run has in a unique field. */
export function freshValue({ schema }: Field): unknown {
  serial += 1;
  // One word, which no other one holds, or a search for it would find others.
  const word = `fresh${process.pid}n${serial}n`;
  const known = [word, `${word}.example`, `${word}@test.example`];
  const fresh = known.find((value) => schema.safeParse(value).success);
  if (fresh === undefined) throw new Error("no fresh value is of this schema: teach freshValue one");
  return fresh;
}

/** What a record shows once this was written: a number as money, a domain cut down to its host. */
export function shownAs(field: Field, value: unknown): unknown {
  return field.schema.parse(value);
}
