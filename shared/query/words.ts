import { MAX_SEARCH_LENGTH, MAX_SEARCH_WORDS } from "../bounds.ts";
import { fieldError } from "../errors.ts";
import { lengthOf, plainText } from "../resources/plain_text.ts";
import { fold } from "./fold.ts";

// What stands around words: punctuation and blanks of every script. `crm.words_of` splits what is stored by the same.
const SEPARATORS =
  /[\p{Cc}\u0020-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u060c\u061b\u061e\u061f\u066a-\u066d\u06d4\u0964\u0965\u0970\u0e2f\u0e4f\u0e5a\u0e5b\u1680\u2000-\u206f\u2e00-\u2e7f\u3000-\u3003\u3008-\u3020\u3030\u303d\u30a0\u30fb]+/u;

// Letters of scripts that write no blanks: each is a word, so that any part of what is written is found.
const UNSPACED =
  /[\u0e01-\u0e2e\u0e30-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\u{20000}-\u{3ffff}]/gu;

/** A telephone number as people write one: digits with blanks, hyphens, dots, slashes, brackets, a plus in front. */
const PHONE = /(?:tel:\s*)?(\+?[\s(]*\d(?:[\s()./-]*\d){4,})/g;

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

/**
 * The words that a person typed, at most ten. A telephone number counts by its digits, however it is written; what is
 * only around an address (`mailto:`, `https://www.`) does not count.
 * @throws ApiError `validation_error`
 */
export function typedWords(raw: unknown, parameter = "search"): string[] {
  const refused = (sentence: string) => fieldError("validation_error", { [parameter]: [sentence] });
  const text = typeof raw === "string" ? plainText(raw) : "";
  if (text === "" || lengthOf(text) > MAX_SEARCH_LENGTH)
    throw refused(`The ${parameter} parameter must be 1 to ${MAX_SEARCH_LENGTH} characters.`);
  const folded = fold(text)
    .replace(/\b(?:https?:\/\/|mailto:)/g, " ")
    .replace(/(^|[\s/@])www\.(?=\S+\.)/g, "$1");
  const numbers: string[] = [];
  const rest = folded.replace(PHONE, (whole, number: string) => {
    if (!isDialled(number)) return whole;
    numbers.push(dialledDigits(number));
    return " ";
  });
  const words = [...wordsOf(rest), ...numbers].slice(0, MAX_SEARCH_WORDS);
  if (words.length === 0) throw refused(`The ${parameter} parameter must have at least one word.`);
  return words;
}

// Where it begins as no other number does, or in groups too short to look for one by one.
function isDialled(number: string): boolean {
  const groups = number.split(/\D+/).filter((group) => group !== "");
  return /^[+0(]/.test(number.trim()) || (groups.length > 2 && groups.some((group) => group.length < 3));
}

/** The digits that stay the same from wherever it is dialled: without +, 00 and the 0 that only callers at home dial. */
function dialledDigits(number: string): string {
  const digits = number
    .trim()
    .replace(/^(\+|00)(.*)\(0/, "$1$2(")
    .replace(/\D/g, "");
  return digits.replace(/^00?/, "");
}

export function escapeLike(value: string): string {
  return value.replace(/[\\%_]/g, "\\$&");
}
