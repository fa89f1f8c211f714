// Blanks, and what no reader sees: soft hyphen, zero-width and directional marks, the byte order mark, Hangul fillers.
const UNSEEN =
  "\\s\\p{Cc}\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufeff\\uffa0";
const AT_ENDS = new RegExp(`^[${UNSEEN}]+|[${UNSEEN}]+$`, "gu");
const NOTHING_SEEN = new RegExp(`^[${UNSEEN}\\u034f\\u180b-\\u180f\\ufe00-\\ufe0f]*$`, "u");

/**
 * Text as it is kept everywhere: in Unicode's normal form C, without blanks or invisible characters at either end. Text
 * that nobody could see is empty.
 */
export function plainText(value: string): string {
  const text = trimmed(value.normalize("NFC"));
  return NOTHING_SEEN.test(text) ? "" : text;
}

/** A value without blanks or invisible characters at either end: the one rule for what is no text of its own. */
export function trimmed(value: string): string {
  return value.replace(AT_ENDS, "");
}

/** The names of a parameter that takes several, separated by commas. */
export function namesIn(raw: string): string[] {
  return raw.split(",").map(trimmed);
}

/** Characters as a person counts them and Postgres does: code points, not the halves of surrogate pairs. */
export function lengthOf(text: string): number {
  let length = text.length;
  if (length === 0) return 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0xd800 && unit <= 0xdbff) length -= 1;
  }
  return length;
}
