import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { uuidsV7 } from "../../shared/db/uuid_v7.ts";
import { type Html, html } from "../../shared/mail/html.ts";
import { writePrivate } from "./private_file.ts";

export interface MailboxOptions {
  dataDir: string;
  port: number;
  /** What senders have to show. */
  key: string;
}

export interface Mailbox {
  stop(): Promise<void>;
}

const MAX_MAILS = 500;
const MAX_KEY_LENGTH = 256;

const addresses = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(50)]);
const sent = z.object({
  from: z.string().min(1),
  to: addresses,
  subject: z.string(),
  text: z.string().nullable().default(null),
  html: z.string().nullable().default(null),
});
type Sent = z.infer<typeof sent>;

interface KeptMail extends Sent {
  id: string;
  created_at: string;
  idempotency_key: string | null;
}

/**
 * Takes mails in the shape of Resend's `POST /emails`, keeps the newest of them under `<dataDir>/mail` and shows them at
 * `/mail`: as a page, or as JSON to who prefers that.
 */
export function startMailbox({ dataDir, port, key }: MailboxOptions): Mailbox {
  const folder = join(dataDir, "mail");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fileOf = (id: string) => join(folder, `${id}.json`);
  // The oldest first, as their ids are in the order of time.
  const mails: KeptMail[] = readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));

  function keep(mail: Sent, idempotencyKey: string | null): KeptMail {
    const [id = ""] = uuidsV7(1);
    const kept = { id, created_at: new Date().toISOString(), ...mail, idempotency_key: idempotencyKey };
    writePrivate(fileOf(id), JSON.stringify(kept));
    mails.push(kept);
    for (const old of mails.splice(0, mails.length - MAX_MAILS)) rmSync(fileOf(old.id), { force: true });
    return kept;
  }

  async function receive(request: Request): Promise<Response> {
    const authorization = request.headers.get("authorization");
    if (authorization === null) return problem(401, "missing_api_key", "Missing API Key");
    if (authorization !== `Bearer ${key}`) return problem(401, "validation_error", "API key is invalid");
    const idempotencyKey = request.headers.get("idempotency-key");
    if (idempotencyKey !== null && (idempotencyKey === "" || idempotencyKey.length > MAX_KEY_LENGTH))
      return problem(400, "invalid_idempotency_key", "The key must be between 1-256 chars.");
    const body: unknown = await request.json().catch(() => ({}));
    const parsed = sent.safeParse(body);
    if (!parsed.success) {
      const field = parsed.error.issues[0]?.path[0] ?? "from";
      const isMissing = typeof body !== "object" || body === null || !(field in body);
      if (isMissing) return problem(422, "missing_required_field", `Missing \`${String(field)}\` field.`);
      return problem(422, "validation_error", `Invalid \`${String(field)}\` field.`);
    }
    const mail = parsed.data;
    if (mail.text === null && mail.html === null)
      return problem(422, "missing_required_field", "Missing `html` or `text` field.");
    const earlier = mails.find((kept) => idempotencyKey !== null && kept.idempotency_key === idempotencyKey);
    if (earlier !== undefined && JSON.stringify(sent.parse(earlier)) !== JSON.stringify(mail))
      return problem(409, "invalid_idempotent_request", "Same idempotency key used with a different request payload.");
    return Response.json({ id: (earlier ?? keep(mail, idempotencyKey)).id });
  }

  function answer(request: Request): Response | Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/mail/emails" && request.method === "POST") return receive(request);
    if (request.method !== "GET" && request.method !== "HEAD")
      return problem(405, "method_not_allowed", "This method is not allowed for the requested path.");
    const isForProgram = prefersJson(request.headers.get("accept") ?? "");
    if (pathname === "/mail" || pathname === "/mail/") {
      const to = searchParams.get("to")?.toLowerCase();
      const isShown = (mail: Sent) => to === undefined || [mail.to].flat().some((one) => one.toLowerCase() === to);
      const shown = mails.filter(isShown).reverse();
      return isForProgram ? Response.json({ data: shown.map(shownMail) }) : showPage(list(shown), PAGE_POLICY);
    }
    const mail = mails.find(({ id }) => pathname === `/mail/${id}`);
    if (mail === undefined) return problem(404, "not_found", "The requested mail was not found.");
    if (isForProgram) return Response.json(shownMail(mail));
    const markup = mail.html ?? html`<pre>${mail.text ?? ""}</pre>`.markup;
    return showPage({ markup }, MAIL_POLICY);
  }

  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, answer);
  return { stop: () => server.shutdown() };
}

// What a mail holds runs nothing and loads nothing; its links are followed.
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MAIL_POLICY = `${PAGE_POLICY}; img-src data:; sandbox allow-popups allow-popups-to-escape-sandbox`;

function showPage({ markup }: Html, policy: string): Response {
  return new Response(markup, {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": policy,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Cache-Control": "no-store",
    },
  });
}

function shownMail({ id, from, to, subject, text, html: markup, created_at }: KeptMail) {
  return { id, from, to, subject, text, html: markup, created_at };
}

function list(mails: readonly KeptMail[]): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Mailbox</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 52em; margin: 2em auto; padding: 0 1em; color-scheme: light dark }
article { border-top: 1px solid #8886; padding: 1em 0 }
h2 { font-size: 1.1em; margin: 0 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit }
small { opacity: .7 }
</style>
</head>
<body>
<h1>Mailbox</h1>
<p>${mails.length === 0 ? "Nothing was sent yet." : `What was sent, the newest first. The newest ${MAX_MAILS} are kept.`}</p>
${mails.map(article)}
</body>
</html>
`;
}

function article({ id, from, to, subject, text, html: markup, created_at }: KeptMail): Html {
  return html`<article id="${id}">
<h2>${subject}</h2>
<small>${created_at} · from ${from} · to ${[to].flat().join(", ")}${
    markup === null ? "" : html` · <a href="/mail/${id}" target="_blank" rel="noopener">HTML</a>`
  }</small>
<pre>${linked(text ?? "")}</pre>
</article>
`;
}

/** A text with its addresses as links. */
function linked(text: string): Html[] {
  const parts = text.split(/(https?:\/\/[^\s<>"]+)/);
  return parts.map((part, n) => (n % 2 === 0 ? html`${part}` : html`<a href="${part}" rel="noopener">${part}</a>`));
}

/** Whether a client asks for JSON, and not for a page before it. */
function prefersJson(accept: string): boolean {
  const types = accept.split(",").map((range) => range.split(";")[0]?.trim());
  const place = (type: string) => (types.includes(type) ? types.indexOf(type) : Number.POSITIVE_INFINITY);
  return place("application/json") < place("text/html");
}

/** As Resend says it. */
function problem(statusCode: number, name: string, message: string): Response {
  return Response.json({ statusCode, name, message }, { status: statusCode });
}
