import { z } from "zod";
import type { Html } from "./html.ts";

/** What is sent to somebody. */
export interface Letter {
  subject: string;
  text: string;
  html: string;
}

/** What links in mails are made of. */
export interface LinkSources {
  /** Of the dashboard. */
  appUrl: string;
  publicApiUrl: string;
  masterKey: string;
}

/** How one kind of mail is written. */
export interface MailText<Details extends z.ZodType> {
  /** What the database says of one, as shown in its text. */
  details: Details;
  write(details: z.output<Details>, sources: LinkSources): { subject: string; text: string; html: Html };
}

/** A kind of mail. */
export function defineText<Details extends z.ZodType>(text: MailText<Details>): MailText<z.ZodType> {
  return text as unknown as MailText<z.ZodType>;
}

/** A name somebody chose: on one line, so that it can't pose as a sentence of ours, and in its own direction. */
export const line = () =>
  z.string().transform((value) =>
    value
      .replace(/[\u202A-\u202E\u2066-\u2069]/g, "")
      .replace(/[\p{Cc}\s]+/gu, " ")
      .trim(),
  );

/** A moment as people write it; Postgres' own text or RFC 3339. */
export const moment = () =>
  z
    .string()
    .transform(
      (value) =>
        `${new Date(value).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" })} UTC`,
    );
