/**
 * What is alike to a person is the same text after folding: case, accents, points, widths, ligatures, apostrophes and
 * dashes don't count, nor does what nobody sees. `crm.fold` says the same in SQL, where what is stored is folded once,
 * when it is written; tests/database/folding.test.ts compares both over all code points.
 */
export function fold(value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value.toLowerCase().replaceAll("`", "'");
  return value
    .split(YOUNGER)
    .map((part, index) => (index % 2 === 1 ? part : foldLetters(part)))
    .join("");
}

/** Lower case letter by letter, as Postgres' `lower` has it: a sigma at a word's end is one as any other. */
export function lowerCase(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value.toLowerCase() : [...value].map((letter) => letter.toLowerCase()).join("");
}

function foldLetters(value: string): string {
  return value
    .replaceAll("´", "'") // which NFKD would take for a blank with an accent
    .normalize("NFKD")
    .replace(/\u0345/g, "ι")
    .replace(DROPPED, "")
    .toLowerCase()
    .replace(LIGATURE, (letter) => LIGATURES[letter] ?? letter)
    .replace(VARIANT, (letter) => VARIANTS.get(letter) ?? letter)
    .normalize("NFC");
}

// Marks that are left out as often as they are written: accents, Hebrew points, Arabic vowels; and invisible characters.
const DROPPED = new RegExp(
  `[${[
    "\\u0300-\\u036f\\u0483-\\u0487\\u0591-\\u05bd\\u05bf\\u05c1\\u05c2\\u05c4\\u05c5\\u05c7",
    "\\u0610-\\u061a\\u061c\\u0640\\u064b-\\u065f\\u0670\\u06d6-\\u06dc\\u06df-\\u06e4\\u06e7\\u06e8",
    "\\u06ea-\\u06ed\\u0730-\\u074a\\u08d3-\\u08e1\\u08e3-\\u08ff\\u180b-\\u180f\\u1ab0-\\u1aff",
    "\\u1dc0-\\u1dff\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u20d0-\\u20ff\\ufe00-\\ufe0f",
    "\\ufe20-\\ufe2f\\ufeff\\u00ad\\u{e0000}-\\u{e0fff}",
  ].join("")}]`,
  "gu",
);

const LIGATURES: Record<string, string> = { ß: "ss", æ: "ae", œ: "oe", þ: "th" };
const LIGATURE = /[ßæœþ]/g;

// One character each: letters that no decomposition takes apart, digits of other scripts, what is typed for another.
const VARIANT_PAIRS: readonly (readonly [from: string, to: string])[] = [
  ["łøđðħıŧςᲀᲁᲂᲃᲄᲅᲆᲇᲈ", "loddhitσвдосттъѣꙋ"],
  ["یىکۀە", "ييكهه"],
  ["٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९", "012345678901234567890123456789"],
  ["‘’‛ʹʻʼʽʾʿˈ`′ꞌ׳", "''''''''''''''"],
  ["“”„‟«»‹›″ʺ״", '"""""""""""'],
  ["‐‑‒–—―−⁃", "--------"],
];
const VARIANTS = new Map(
  VARIANT_PAIRS.flatMap(([from, to]) => [...from].map((letter, index) => [letter, [...to][index] ?? letter] as const)),
);
const VARIANT = new RegExp(`[${[...VARIANTS.keys()].join("")}]`, "g");

// Letters that some runtime's Unicode (17.0) knows and Postgres 17's (15.1) does not: they stay as they are.
const YOUNGER =
  /([\u1c89\ua7cb\ua7cc\ua7ce\ua7d2\ua7d4\ua7da\ua7dc\ua7f1\u{105c9}\u{105e4}\u{10d50}-\u{10d65}\u{16ea0}-\u{16eb8}\u{1ccd6}-\u{1ccf9}])/u;
