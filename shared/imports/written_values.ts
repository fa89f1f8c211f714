/**
 * Days, times and amounts as people, spreadsheets and other CRMs write them. Each is read only where it can't mean
 * anything else: `3/9/1984` is March or September and `5,000` five or five thousand, so they stay what they are.
 */

import { trimmed } from "../resources/plain_text.ts";

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*";
const YEAR_FIRST = /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})$/;
const YEAR_LAST = /^(\d{1,2})([-/.])(\d{1,2})\2(\d{4})$/;
const DAY_AND_NAME = new RegExp(`^(\\d{1,2})(?:st|nd|rd|th|\\.)?[\\s-]+${MONTH}\\.?,?[\\s-]+(\\d{4})$`, "i");
const NAME_AND_DAY = new RegExp(`^${MONTH}\\.?\\s+(\\d{1,2})(?:st|nd|rd|th)?,?\\s+(\\d{4})$`, "i");
const WITH_TIME =
  /^(.*\d)(?:\s*T|,?\s+)(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([ap]m)?\s*(z|utc|gmt|[+-]\d{2}:?\d{2})?$/i;

/** As `YYYY-MM-DD`; what is written as a time of it is left out. */
export function writtenDay(cell: string): string {
  const text = trimmed(cell);
  return dayOf(text) ?? dayOf(WITH_TIME.exec(text)?.[1] ?? "") ?? cell;
}

/** As RFC 3339 has it; in UTC where no zone is written, and a day at its beginning, as a filter takes it. */
export function writtenTime(cell: string): string {
  const text = trimmed(cell);
  const whole = dayOf(text);
  if (whole !== undefined) return `${whole}T00:00:00Z`;
  const [, date = "", hours = "", minutes, seconds = "00", half, zone] = WITH_TIME.exec(text) ?? [];
  const day = dayOf(date);
  const hour = half === undefined ? Number(hours) : hourOf(Number(hours), half);
  if (day === undefined || hour === undefined) return cell;
  return `${day}T${padded(hour)}:${minutes}:${seconds}${zone === undefined || /^[a-z]/i.test(zone) ? "Z" : zone}`;
}

/** A decimal without separators of thousands, with a point. */
export function writtenNumber(cell: string): string {
  const text = trimmed(cell);
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return text;
  const [, digits = "", fraction = "", power] = /^(\d)(?:\.(\d+))?e\+?(\d{1,2})$/i.exec(text) ?? [];
  if (power !== undefined && fraction.length <= Number(power)) return digits + fraction.padEnd(Number(power), "0");
  const [, sign = "", number = ""] = /^([+-]?)(\d.*)$/.exec(text) ?? [];
  if (/^\d+,(\d{1,2}|\d{4,})$/.test(number)) return sign + number.replace(",", ".");
  const grouped = /^\d{1,3}(?:([,.' \u00a0\u202f])\d{3}(?:\1\d{3})*)(?:([.,])(\d+))?$/.exec(number);
  const [, separator, point] = grouped ?? [];
  const isOneGroup = point === undefined && /^\d+[,.]\d+$/.test(number);
  if (grouped === null || separator === point || isOneGroup) return cell;
  const [whole = "", decimals] = point === undefined ? [number] : number.split(point);
  return `${sign}${whole.replace(/\D/g, "")}${decimals === undefined ? "" : `.${decimals}`}`;
}

function dayOf(text: string): string | undefined {
  const [, year, , month, date] = YEAR_FIRST.exec(text) ?? [];
  if (year !== undefined) return dayFrom(year, Number(month), Number(date));
  const [, first, separator, second, ending] = YEAR_LAST.exec(text) ?? [];
  if (ending !== undefined) return withinYear(ending, Number(first), Number(second), separator === ".");
  const [, dayBefore, name, yearOfName = ""] = DAY_AND_NAME.exec(text) ?? [];
  if (name !== undefined) return dayFrom(yearOfName, monthOf(name), Number(dayBefore));
  const [, nameFirst, dayAfter, yearOfDay = ""] = NAME_AND_DAY.exec(text) ?? [];
  return nameFirst === undefined ? undefined : dayFrom(yearOfDay, monthOf(nameFirst), Number(dayAfter));
}

/** With points the day comes first in every language; otherwise it must be the one that is no month. */
function withinYear(year: string, first: number, second: number, isPointed: boolean): string | undefined {
  if (second <= 12 && (first > 12 || first === second || isPointed)) return dayFrom(year, second, first);
  return first <= 12 && second > 12 ? dayFrom(year, first, second) : undefined;
}

function monthOf(name: string): number {
  return MONTHS.indexOf(name.toLowerCase()) + 1;
}

function dayFrom(year: string, month: number, day: number): string {
  return `${year}-${padded(month)}-${padded(day)}`;
}

function hourOf(hour: number, half: string): number | undefined {
  if (hour < 1 || hour > 12) return undefined;
  return (hour % 12) + (half.toLowerCase() === "pm" ? 12 : 0);
}

function padded(number: number): string {
  return String(number).padStart(2, "0");
}
