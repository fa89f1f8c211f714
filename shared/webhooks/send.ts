import { MAX_ANSWER_BYTES, MAX_RETRY_AFTER_SECONDS, WEBHOOK_TIMEOUT_MS } from "../bounds.ts";
import type { Config } from "../config.ts";
import type { Log } from "../http/log.ts";
import { retryAfterSeconds } from "../http/retry_after.ts";
import { type Answer, KeptBytes, keptText, readAnswer } from "./answer.ts";
import { close, failed, openConnection, until, writeAll } from "./connection.ts";
import { AttemptFailure, type FailureKind } from "./failure.ts";
import { type Network, ownNetwork } from "./network.ts";
import { resolveTarget, type Target } from "./target.ts";

/** What is sent, headers such as the signature among it. */
export interface Message {
  headers: Record<string, string>;
  body: string | Uint8Array;
}

/** What became of an attempt. */
export type Outcome =
  | {
      kind: "answered";
      status: number;
      /** How long the receiver wants to be left alone, no more than a day. */
      retryAfterSeconds?: number;
      /** The beginning of what it said. */
      response: string;
      durationMs: number;
    }
  | { kind: "failed"; error: FailureKind; durationMs: number };

export interface Sender {
  /** POSTs a message, once. Redirects are answers like any other. Never throws. */
  send(url: string, message: Message): Promise<Outcome>;
  /** Why nothing may be sent to a URL, by its text and by what its host leads to now, if to anything; undefined when it may. */
  check(url: string): Promise<string | undefined>;
  /**
   * `pinned`: connections go to the address that was checked. `proxied`: so too, through the proxy. `checked`: this runtime has no sockets, so
   * the host is looked up a second time when it is called.
   */
  readonly connection: "pinned" | "checked" | "proxied";
}

export type SenderConfig = Pick<
  Config,
  "supabaseUrl" | "publicApiUrl" | "restUrl" | "egressProxyUrl" | "allowLoopbackWebhooks"
>;

export interface SenderOptions {
  /** What leads to others, where it is not what the runtime has. */
  network?: Network;
  timeoutMs?: number;
  /** Told once, when the connection is or becomes `checked`. */
  log?: Log;
}

/** Whoever makes a webhook waits for it. */
const CHECK_TIMEOUT_MS = 5_000;

/** What sends webhooks. */
export function createSender(
  config: SenderConfig,
  { network = ownNetwork(), timeoutMs = WEBHOOK_TIMEOUT_MS, log = () => {} }: SenderOptions = {},
): Sender {
  const rules = {
    allowLoopback: config.allowLoopbackWebhooks,
    ownUrls: [config.supabaseUrl, config.publicApiUrl, config.restUrl],
    isProxied: config.egressProxyUrl !== undefined,
  };
  const proxy = config.egressProxyUrl === undefined ? undefined : new URL(config.egressProxyUrl);
  const { resolve } = network;
  // Without addresses there is nothing to connect them to.
  let sockets = resolve && network.sockets;
  let proxyClient: object | undefined;

  function tellWithout(reason: string): void {
    if (proxy === undefined) log("warn", "webhooks_not_pinned", { reason });
  }
  if (sockets === undefined) tellWithout("this runtime has no sockets");

  const find = (url: string, signal: AbortSignal) => until(signal, resolveTarget(url, rules, { resolve, signal }));

  async function attempt(target: Target, message: Message, signal: AbortSignal): Promise<Answer> {
    // To a proxy that wants TLS itself only fetch goes.
    if (sockets !== undefined && proxy?.protocol !== "https:") {
      try {
        return await exchange(await openConnection(sockets, target, { signal, proxy }), target, message, signal);
      } catch (error) {
        if (!isForbidden(error)) throw error;
        sockets = undefined; // The platform has them and refuses them; it will go on doing so.
        tellWithout("the platform forbids sockets");
      }
    }
    return await fetchAnswer(target, message, { signal, client: proxy && clientFor(proxy) });
  }

  function clientFor(url: URL): object {
    if (network.createProxyClient === undefined)
      throw new AttemptFailure("connection", "This runtime has no way through EGRESS_PROXY_URL.");
    proxyClient ??= network.createProxyClient(url);
    return proxyClient;
  }

  return {
    async send(url, message) {
      const startedAt = performance.now();
      const deadline = startDeadline(timeoutMs);
      const durationMs = () => Math.round(performance.now() - startedAt);
      try {
        const target = await find(url, deadline.signal);
        return { ...outcomeOf(await attempt(target, message, deadline.signal)), durationMs: durationMs() };
      } catch (error) {
        const kind = error instanceof AttemptFailure ? error.kind : "connection";
        return { kind: "failed", error: deadline.signal.aborted ? "timeout" : kind, durationMs: durationMs() };
      } finally {
        deadline.end();
      }
    },

    async check(url) {
      const deadline = startDeadline(Math.min(timeoutMs, CHECK_TIMEOUT_MS));
      try {
        await find(url, deadline.signal);
        return undefined;
      } catch (error) {
        // A host may get its address later; where it then leads is checked whenever something is sent.
        return error instanceof AttemptFailure && error.kind === "url_not_allowed" ? error.message : undefined;
      } finally {
        deadline.end();
      }
    },

    get connection() {
      if (proxy !== undefined) return "proxied";
      return sockets === undefined ? "checked" : "pinned";
    },
  };
}

function outcomeOf({ status, headers, body }: Answer): Omit<Outcome & { kind: "answered" }, "durationMs"> {
  const asked = retryAfterSeconds(headers.get("retry-after"));
  return {
    kind: "answered",
    status,
    ...(asked !== undefined && { retryAfterSeconds: Math.min(asked, MAX_RETRY_AFTER_SECONDS) }),
    response: keptText(body),
  };
}

type OpenConnection = Awaited<ReturnType<typeof openConnection>>;

/** A request and its answer, over a connection that is for nothing else. */
async function exchange(
  connection: OpenConnection,
  { url }: Target,
  message: Message,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    // Both at once: some answer, and close, before they have all of it.
    writeAll(connection, requestOf(url, message)).catch(() => {});
    return await until(signal, readAnswer(connection));
  } catch (error) {
    throw failed(error);
  } finally {
    close(connection);
  }
}

function requestOf(url: URL, { headers, body }: Message): Uint8Array {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const all = new Headers({ ...headers, "content-length": String(bytes.length), connection: "close" });
  const lines = [`POST ${url.pathname}${url.search} HTTP/1.1`, `host: ${url.host}`];
  for (const [name, value] of all) lines.push(`${name}: ${value}`);
  const head = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
  const request = new Uint8Array(head.length + bytes.length);
  request.set(head);
  request.set(bytes, head.length);
  return request;
}

/** The same by `fetch`, where there are no sockets or only it knows the proxy. */
async function fetchAnswer(
  { url }: Target,
  { headers, body }: Message,
  { signal, client }: { signal: AbortSignal; client: object | undefined },
): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, connection: "close" },
      body: body as BodyInit,
      redirect: "manual",
      signal,
      ...(client && { client }),
    });
    return { status: response.status, headers: new Map(response.headers), body: await readBeginning(response) };
  } catch (error) {
    const text = error instanceof Error ? `${error.message} ${error.cause}` : "";
    const [kind] = FETCH_FAILURES.find(([, words]) => words.test(text)) ?? ["connection"];
    throw new AttemptFailure(kind, "The request failed.", { cause: error });
  }
}

/** What `fetch` says when it fails, and nothing but a sentence tells what it was. */
const FETCH_FAILURES: readonly (readonly [FailureKind, RegExp])[] = [
  ["tls", /certificate|tls|handshake/i],
  ["dns", /dns|lookup/i],
  ["protocol", /parse/i],
];

async function readBeginning({ body }: Response): Promise<Uint8Array> {
  const kept = new KeptBytes();
  const reader = body?.getReader();
  let count = 0;
  while (reader !== undefined && count < MAX_ANSWER_BYTES) {
    const { done, value } = await reader.read();
    if (done) return kept.bytes;
    kept.add(value);
    count += value.length;
  }
  await reader?.cancel();
  return kept.bytes;
}

/** By its kind, not by its words alone: those of a failure of TLS are partly the receiver's. */
function isForbidden(error: unknown): boolean {
  const cause = error instanceof AttemptFailure ? error.cause : error;
  if (!(cause instanceof Error)) return false;
  return cause.name === "NotCapable" || (cause.name === "PermissionDenied" && /^requires net /i.test(cause.message));
}

interface Deadline {
  signal: AbortSignal;
  end(): void;
}

function startDeadline(ms: number): Deadline {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new DOMException("The attempt took too long.", "TimeoutError")), ms);
  return { signal: controller.signal, end: () => clearTimeout(timer) };
}
