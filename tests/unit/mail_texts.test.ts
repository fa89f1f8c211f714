import { expect, test } from "vitest";
import { readInvitationToken } from "../../shared/auth/invitation_token.ts";
import { TEMPLATES, writeLetter } from "../../shared/mail/letters.ts";

const sources = {
  appUrl: "https://app.example/crm",
  publicApiUrl: "https://api.example/api",
  masterKey: "a master key of at least 32 characters",
};
const INVITATION_ID = "01990f6e-2f6b-7c4e-9d1a-0123456789ab";
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
};

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

test("each mail is tried here", () => {
  expect(Object.keys(details)).toEqual(TEMPLATES);
});

test.each(TEMPLATES)("nothing that somebody named is markup or a line of its own in the mail %s", (template) => {
  const given = Object.entries(details[template] ?? {});
  const hostile = given.map(([name, value]) => [name, /_(id|at)$/.test(name) ? value : HOSTILE]);
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
