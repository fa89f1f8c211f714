import type { z } from "zod";
import type { Letter, LinkSources, MailText } from "./text.ts";
import { expiringKey } from "./texts/expiring_key.ts";
import { failingWebhook } from "./texts/failing_webhook.ts";
import { invitation } from "./texts/invitation.ts";
import { leakedKey } from "./texts/leaked_key.ts";
import { pausedWebhook } from "./texts/paused_webhook.ts";

/** Every kind of mail, by the name that SQL calls it (`crm.send_mail`, `crm.send_notice`). */
const TEXTS: Readonly<Record<string, MailText<z.ZodType>>> = {
  invitation,
  leaked_key: leakedKey,
  expiring_key: expiringKey,
  failing_webhook: failingWebhook,
  paused_webhook: pausedWebhook,
};

export const TEMPLATES: readonly string[] = Object.keys(TEXTS);

/** Writes a mail of one of `TEMPLATES`. @throws when the details are not what its text needs */
export function writeLetter(template: string, details: unknown, sources: LinkSources): Letter {
  const text = TEXTS[template];
  if (text === undefined) throw new Error(`There is no mail ${template}`);
  const { subject, text: plain, html } = text.write(text.details.parse(details), sources);
  return { subject, text: plain, html: html.markup };
}
