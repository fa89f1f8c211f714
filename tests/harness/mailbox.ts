import { expect } from "vitest";
import { stack } from "./stack.ts";

/** A mail as the local mailbox tells it. */
export interface ReceivedMail {
  id: string;
  from: string;
  to: string;
  subject: string;
  text: string;
  html: string;
  created_at: string;
}

/** What was sent to somebody, the newest first. */
export async function mailsTo(address: string): Promise<ReceivedMail[]> {
  const response = await fetch(`${stack().mailboxUrl}?to=${encodeURIComponent(address)}`, {
    headers: { accept: "application/json" },
  });
  return ((await response.json()) as { data: ReceivedMail[] }).data;
}

/** The first mail to somebody, once it has come. */
export async function mailTo(address: string): Promise<ReceivedMail> {
  await expect.poll(() => mailsTo(address), { timeout: 20_000 }).not.toEqual([]);
  return (await mailsTo(address)).at(-1) as ReceivedMail;
}
