import { Buffer } from "node:buffer";

// RFC 5322 atext, and beyond ASCII what RFC 6531 allows.
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-\\u0080-\\u{10ffff}]+";
const DOT_ATOM = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`, "u");
const QUOTED = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\u{10ffff}]|\\[\x20-\x7e])+"$/u;
const LABEL = /^[A-Za-z0-9\u0080-\u{10ffff}](?:[A-Za-z0-9\-\u0080-\u{10ffff}]*[A-Za-z0-9\u0080-\u{10ffff}])?$/u;
const UNPRINTABLE = /[\s\p{C}]/u;
/** What IDNA reads as a full stop is none in an address as it is sent (RFC 5890). */
const OTHER_STOPS = /[\u3002\uff0e\uff61]/;

/**
 * Whether a text is a mailbox (RFC 5321 §4.1.2, with the letters of RFC 6531): a dot-atom or quoted local part of at
 * most 64 bytes, and a domain name of two labels at least, each of at most 63 bytes in its ASCII form.
 * `crm.is_mailbox` says the same in SQL, and a test compares them.
 */
export function isMailbox(text: string): boolean {
  const at = text.lastIndexOf("@");
  if (at < 1) return false;
  const local = text.slice(0, at);
  if (Buffer.byteLength(local) > 64) return false;
  if (!(DOT_ATOM.test(local) && !UNPRINTABLE.test(local)) && !QUOTED.test(local)) return false;
  return isDomain(text.slice(at + 1));
}

function isDomain(domain: string): boolean {
  if (UNPRINTABLE.test(domain) || OTHER_STOPS.test(domain) || domain.length > 253) return false;
  const labels = domain.split(".");
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label)) || /^\d+$/.test(labels.at(-1) ?? ""))
    return false;
  return labels.every((label) => asciiLength(label) <= 63);
}

function asciiLength(label: string): number {
  if (/^[\x20-\x7e]*$/.test(label)) return label.length;
  return URL.parse(`http://${label}.example`)?.hostname.split(".")[0]?.length ?? Number.POSITIVE_INFINITY;
}
