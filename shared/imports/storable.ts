const MAX_DEPTH = 32;

/** Whether a database can hold a value: no NUL, no half of a surrogate pair, nested no deeper than a body may be. */
export function isStorable(value: unknown, depth = 1): boolean {
  if (typeof value === "string") return isText(value);
  if (typeof value !== "object" || value === null) return true;
  return (
    depth < MAX_DEPTH && Object.entries(value).every(([name, member]) => isText(name) && isStorable(member, depth + 1))
  );
}

function isText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
