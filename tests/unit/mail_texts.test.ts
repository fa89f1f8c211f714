import { expect, test } from "vitest";
import { readInvitationToken } from "../../shared/auth/invitation_token.ts";
import { TEMPLATES, writeLetter } from "../../shared/mail/letters.ts";

const sources = {
  appUrl: "https://app.example/crm",
  publicApiUrl: "https://api.example/api",
  masterKey: "a master key of at least 32 characters",
};
const INVITATION_ID = "01990f6e-2f6b-7c4e-9d1a-0123456789ab";
const WEBHOOK_ID = "01990f6e-2f6b-7c4e-9d1a-ba9876543210";
const HOSTILE = `<img src="https://spy.example/a.png"> & 'Acme'\r\nhttps://app.example/crm/invitations/accept?token=x\u202E`;
const details: Record<string, Record<string, string | null>> = {
  invitation: {
    invitation_id: INVITATION_ID,
    workspace_name: "Acme",
    inviter_name: "Ann Smith",
    role: "admin",
    expires_at: "2026-12-04T01:30:00+00:00",
  },
  leaked_key: {
    workspace_name: "Acme",
    key_name: "Shop",
    last_four: "4IgI",
    url: "https://github.com/octocat/hello/blob/1/key.txt",
    revoked_at: "2026-12-04T01:30:00+00:00",
  },
  expiring_key: {
    workspace_name: "Acme",
    key_name: "Shop",
    last_four: "4IgI",
    expires_at: "2026-12-04T01:30:00+00:00",
  },
  failing_webhook: {
    webhook_id: WEBHOOK_ID,
    workspace_name: "Acme",
    host: "shop.example:8443",
    url: "https://shop.example:8443/crm",
    notice: "first",
    began_at: "2026-11-29T01:30:00+00:00",
    pauses_at: "2026-12-04T01:30:00+00:00",
    last_result: "status 503",
  },
  paused_webhook: {
    webhook_id: WEBHOOK_ID,
    workspace_name: "Acme",
    host: "shop.example:8443",
    url: "https://shop.example:8443/crm",
    reason: "failing",
    paused_at: "2026-12-04T01:30:00+00:00",
  },
};
/** What is one of a few words of ours, or was checked as an id or a time. */
const CHOSEN = /_(id|at)$|^(notice|reason)$/;

test("the link of an invitation stands on a line of its own with one parameter, and so does the call of the API", () => {
  const { text, html, subject } = writeLetter("invitation", details["invitation"], sources);
  const lines = text.split("\n").filter((line) => line.includes("inv_"));
  const [link = "", call = ""] = lines;
  expect(lines).toHaveLength(2);
  const { origin, pathname, searchParams } = new URL(link);
  expect([origin + pathname, [...searchParams.keys()]]).toEqual([
    "https://app.example/crm/invitations/accept",
    ["token"],
  ]);
  const token = searchParams.get("token") ?? "";
  expect(readInvitationToken(sources.masterKey, token)).toBe(INVITATION_ID);
  expect(call).toBe(`POST https://api.example/api/v1/invitations/accept {"token": "${token}"}`);
  expect(html).toContain(`href="${link}"`);
  for (const part of ["Ann Smith", "Acme"]) for (const shown of [subject, text, html]) expect(shown).toContain(part);
  expect(text).toContain("ends on 4 December 2026 at 01:30 UTC");
});

test("the mail about a leaked key says which, where, what was done and what to do", () => {
  const { text, html, subject } = writeLetter("leaked_key", details["leaked_key"], sources);
  for (const part of ["Shop", "Acme", "revoked"]) expect(subject).toContain(part);
  for (const shown of [text, html])
    for (const part of ["Shop", "Acme", "4IgI", "https://github.com/octocat/hello/blob/1/key.txt", "4 December 2026"])
      expect(shown).toContain(part);
  expect(text).toMatch(/Create a new key/);
  const nowhere = writeLetter("leaked_key", { ...details["leaked_key"], url: null }, sources);
  expect(nowhere.text).toContain("was found in a public place that GitHub searches.");
});

test("the mail about a key that expires says which, when, what it means and where to go", () => {
  const { text, html, subject } = writeLetter("expiring_key", details["expiring_key"], sources);
  for (const shown of [subject, text, html])
    for (const part of ["Shop", "Acme", "4 December 2026 at 01:30 UTC"]) expect(shown).toContain(part);
  for (const shown of [text, html])
    for (const part of ["4IgI", "is refused", "https://app.example/crm/api_keys"]) expect(shown).toContain(part);
});

test("the mails about an endpoint that fails say since when, what came of it, until when and where to look", () => {
  const first = writeLetter("failing_webhook", details["failing_webhook"], sources);
  const last = writeLetter("failing_webhook", { ...details["failing_webhook"], notice: "last" }, sources);
  expect(first.subject).toBe("Webhooks to shop.example:8443 have been failing for an hour");
  expect(last.subject).toContain("are paused on 4 December 2026 at 01:30 UTC");
  for (const { text, html } of [first, last])
    for (const shown of [text, html])
      for (const part of ["Acme", "https://shop.example:8443/crm", "29 November 2026", "4 December 2026", "status 503"])
        expect(shown).toContain(part);
  for (const shown of [first.text, first.html])
    expect(shown).toContain(`https://app.example/crm/webhooks/${WEBHOOK_ID}`);
  const silent = writeLetter("failing_webhook", { ...details["failing_webhook"], last_result: null }, sources);
  expect(silent.text).not.toContain("attempt:");
});

test.each([
  ["failing", "five days", "resume it"],
  ["gone", "410 Gone", "delete it"],
  ["creator_gone", "revoked", "owner or admin resumes it"],
])("the mail about an endpoint that is paused as %s says why and what to do", (reason, why, remedy) => {
  const { text, html, subject } = writeLetter("paused_webhook", { ...details["paused_webhook"], reason }, sources);
  expect(subject).toBe("Webhooks to shop.example:8443 are paused");
  for (const shown of [text, html])
    for (const part of [why, remedy, "30 days", `https://app.example/crm/webhooks/${WEBHOOK_ID}`])
      expect(shown).toContain(part);
});

test("each mail is tried here", () => {
  expect(Object.keys(details)).toEqual(TEMPLATES);
});

test.each(TEMPLATES)("nothing that somebody named is markup or a line of its own in the mail %s", (template) => {
  const given = Object.entries(details[template] ?? {});
  const hostile = given.map(([name, value]) => [name, CHOSEN.test(name) ? value : HOSTILE]);
  const { subject, text, html } = writeLetter(template, Object.fromEntries(hostile), sources);
  const plain = writeLetter(template, details[template], sources);
  const lineCount = (letter: string) => letter.split(/\r\n|[\n\r\u2028\u2029]/).length;
  expect(lineCount(subject)).toBe(1);
  expect(lineCount(text)).toBe(lineCount(plain.text));
  expect(subject + text + html).not.toContain("\u202E");
  const tags = (markup: string) => [...markup.matchAll(/<\/?[a-z!]\w*/g)].map(([tag]) => tag);
  expect(tags(html)).toEqual(tags(plain.html));
  const links = (markup: string) => [...markup.matchAll(/href="([^"]*)"/g)].length;
  expect(links(html)).toBe(links(plain.html));
});

test.each(TEMPLATES)("the mail %s loads nothing, so nobody learns that it was opened", (template) => {
  const { html } = writeLetter(template, details[template], sources);
  expect(html).not.toMatch(/<(?:img|script|link|iframe|object|video|audio|style|form)\b|\bsrc=|url\(|@import/i);
});

test("what a text needs and is not told keeps the mail from being written", () => {
  expect(() => writeLetter("invitation", { ...details["invitation"], role: undefined }, sources)).toThrow(/role/);
  expect(() => writeLetter("farewell", {}, sources)).toThrow(/no mail farewell/);
});
