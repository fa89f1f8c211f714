const GRAMMAR = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,40}))?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;
const DAY = /^\d{4}-\d\d-\d\d$/;
const FIRST = Date.parse("0001-01-01T00:00:00Z");
const LAST = Date.parse("9999-12-31T23:59:59Z");
const MAX_OFFSET_MINUTES = 15 * 60 + 59; // Postgres knows no offset beyond.

/**
 * A time of RFC 3339 in the one form that the API keeps and shows: UTC, six places, a Z. Small letters, an offset
 * without its colon and the leap second are read too; places beyond the sixth are rounded. Undefined for what is none.
 */
export function readTime(text: string): string | undefined {
  const match = GRAMMAR.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHours = "0", offsetMinutes = "0"] = match;
  if (!isDay(`${year}-${month}-${day}`) || Number(hour) > 23 || Number(minute) > 59) return undefined;
  const offset = (sign === "-" ? -1 : 1) * (Number(offsetHours) * 60 + Number(offsetMinutes));
  if (Math.abs(offset) > MAX_OFFSET_MINUTES || Number(offsetMinutes) > 59) return undefined;
  const micros = Math.round(Number(`0.${fraction || "0"}`) * 1e6);
  const base = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`) - offset * 60_000;
  if (Number(second) > 60 || (Number(second) === 60 && !new Date(base).toISOString().endsWith("23:59:00.000Z")))
    return undefined;
  const at = base + Number(second) * 1000 + (micros === 1e6 ? 1000 : 0);
  if (at < FIRST || at > LAST) return undefined;
  return `${new Date(at).toISOString().slice(0, 19)}.${String(micros % 1e6).padStart(6, "0")}Z`;
}

/** Whether a text is a calendar day of the years 1 to 9999, `YYYY-MM-DD`. */
export function isDay(text: string): boolean {
  if (!DAY.test(text) || text < "0001") return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** The day after a day. */
export function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

/** A time as the API shows it, of what Postgres writes in UTC: `2026-03-21T10:30:00+00:00`. */
export function shownTime(time: string): string {
  if (!time.endsWith("+00:00")) return time;
  const bare = time.slice(0, -6);
  return bare.length === 19 ? `${bare}.000000Z` : `${bare.padEnd(26, "0")}Z`;
}
