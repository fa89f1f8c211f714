import { MAX_SEARCH_LENGTH, MAX_SEARCH_WORDS } from "../bounds.ts";
import { fieldError } from "../errors.ts";
import { dialledDigits } from "../resources/phone.ts";
import { lengthOf, plainText } from "../resources/plain_text.ts";
import { WORD_SEPARATORS } from "../standards/word_separators.ts";
import { fold } from "./fold.ts";

const SEPARATORS = new RegExp(`[${WORD_SEPARATORS}]+`, "u");

// Letters of scripts that write no blanks: each is a word, so that any part of what is written is found.
const UNSPACED =
  /[\u0e01-\u0e2e\u0e30-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\u{20000}-\u{3ffff}]/gu;

/** What is only around an address: its scheme, `www.`, and of a page its port and path. */
const AROUND_ADDRESSES: readonly [RegExp, string][] = [
  [/\bmailto:/g, " "],
  [/\b[a-z][a-z0-9+.-]*:\/\/(?:[^\s/@]*@)?([^\s/?#:]+)\S*/g, " $1"],
  [/(?<![^\s@])(www\.[^\s/?#:]+|[^\s/?#:@]+\.\p{L}{2,}(?=:\d|[/?#]))(?::\d+)?(?:[/?#]\S*)?/gu, "$1"],
  [/(^|[\s@])(?:www\.)+(?=\S+\.)/g, "$1"],
];

/**
 * A telephone number as people write one: digits with blanks, hyphens, dots, slashes, brackets, a plus in front; and
 * the label that a form or a signature has before it.
 */
const PHONE =
  /(?<![\p{L}\p{M}\p{N}])((?:tel(?:ef[oa]no?|ephone)?|ph(?:one)?|fon|mobile?|mob|cell|handy|gsm|fax|[tmpf](?=[\s.:]))(?:[.\s]*(?:number|num|no|nr))?[.:]*\s*)?(\+?[\s(]*\d(?:[\s()./-]*\d){4,})(?![\p{L}\p{M}\p{N}])/gu;

/** Words as they stand in a search text, which `crm.searchable` makes. */
export function wordsOf(text: string): string[] {
  return fold(text)
    .replaceAll("'", "")
    .split(SEPARATORS)
    .filter((word) => word !== "")
    .map((word) => word.replace(UNSPACED, " $& ").replace(/ +/g, " ").trim());
}

/** The LIKE pattern that finds a word in a search text: anywhere; a short one where a word begins. */
export function wordPattern(word: string): string {
  const letters = [...word];
  const isUnspaced = (letter: string | undefined) => letter !== undefined && letter.replace(UNSPACED, "") === "";
  const before = letters.length < 3 || isUnspaced(letters[0]) ? " " : "";
  const after = isUnspaced(letters.at(-1)) ? " " : "";
  return `%${before}${escapeLike(word)}${after}%`;
}

/** What a person typed to find a record: words that it must have, and how they stand in a title that is just that. */
export interface Typed {
  words: string[];
  phrase: string;
}

/**
 * Reads what a person typed. A telephone number counts by its digits, however it is written, and an address without
 * what is only around it. Of more than ten words the numbers and the longest ones count. What has no word at all,
 * such as ★, is looked for as it is.
 * @throws ApiError `validation_error`
 */
export function readTyped(raw: unknown, parameter = "search"): Typed {
  const refused = (sentence: string) => fieldError("validation_error", parameter, sentence);
  const text = typeof raw === "string" ? plainText(raw) : "";
  if (text === "" || lengthOf(text) > MAX_SEARCH_LENGTH)
    throw refused(`The ${parameter} parameter must be 1 to ${MAX_SEARCH_LENGTH} characters.`);
  const folded = fold(text);
  const bare = AROUND_ADDRESSES.reduce((rest, [around, left]) => rest.replace(around, left), folded);
  const numbers: string[] = [];
  const rest = bare.replace(PHONE, (whole, label: string | undefined, number: string) => {
    if (label === undefined && !isDialled(number)) return whole;
    numbers.push(dialledDigits(number));
    return " ";
  });
  const found = [...new Set([...numbers, ...wordsOf(rest)])];
  const words = found.length > 0 ? found : wordsOf(folded);
  if (words.length > 0) return { words: tellingMost(words, numbers.length), phrase: wordsOf(bare).join(" ") };
  const symbols = folded.replace(/[ \t\n\r]/g, "");
  if (symbols === "") throw refused(`The ${parameter} parameter must have a letter, a digit or a symbol.`);
  return { words: [symbols], phrase: symbols };
}

function tellingMost(words: readonly string[], numbers: number): string[] {
  const rest = words.slice(numbers).sort((a, b) => b.length - a.length);
  return words.length <= MAX_SEARCH_WORDS
    ? [...words]
    : [...words.slice(0, numbers), ...rest].slice(0, MAX_SEARCH_WORDS);
}

// Where it begins as no other number does, or in groups too short to look for one by one.
function isDialled(number: string): boolean {
  const groups = number.split(/\D+/).filter((group) => group !== "");
  return /^[+0(]/.test(number.trim()) || (groups.length > 2 && groups.some((group) => group.length < 3));
}

export function escapeLike(value: string): string {
  return value.replace(/[\\%_]/g, "\\$&");
}
