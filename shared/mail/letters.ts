import type { z } from "zod";
import type { Letter, LinkSources, MailText } from "./text.ts";
import { invitation } from "./texts/invitation.ts";
import { leakedKey } from "./texts/leaked_key.ts";

/** Every kind of mail, by the name that SQL calls it (`crm.send_mail`). */
const TEXTS: Readonly<Record<string, MailText<z.ZodType>>> = { invitation, leaked_key: leakedKey };

export const TEMPLATES: readonly string[] = Object.keys(TEXTS);

/** Writes a mail of one of `TEMPLATES`. @throws when the details are not what its text needs */
export function writeLetter(template: string, details: unknown, sources: LinkSources): Letter {
  const text = TEXTS[template];
  if (text === undefined) throw new Error(`There is no mail ${template}`);
  const { subject, text: plain, html } = text.write(text.details.parse(details), sources);
  return { subject, text: plain, html: html.markup };
}
