// The platform's gateway, on the hot path of every call. It copies HTTP/1.1 messages byte for byte from
// socket to socket and rewrites nothing but a request's head. By way of Deno.serve and fetch this hop
// costs twice the CPU, and fetch's URL parser changes paths and escapes that a client sent on purpose.
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { answerBodyEnd, type BodyEnd, requestBodyEnd } from "./message_body.ts";
import { MalformedMessage, MessageConnection, type MessageHead } from "./message_connection.ts";
import { UpstreamPool } from "./upstream_pool.ts";

export interface GatewayOptions {
  port: number;
  /** Gets `/functions/v1/api/…` as `/api/…`. */
  functionPort: number;
  /** Gets `/rest/v1/…` as `/…`. */
  postgrestPort: number;
  /** Gets `/auth/v1/…` as it is. */
  authPort: number;
  /** Gets `/mail` and what is below it as it is. */
  mailPort: number;
}

export interface Gateway {
  url: string;
  /** Takes no new connections, and gives running requests a moment to end. */
  stop(): Promise<void>;
}

interface Route {
  upstream: UpstreamPool;
  target: string;
  /** What the platform says while the upstream does not answer. */
  unavailable: Problem;
}

interface Problem {
  code: string;
  message: string;
}

const STOP_GRACE_MS = 2_000;
const LINGER_MS = 1_000;
/** Out of sockets, the system refuses for a while. */
const ACCEPT_PAUSE_MS = 10;
const REASONS = { 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable" };
// For one hop only (RFC 9110 §7.6.1), or written anew.
const DROPPED_FIELDS = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "upgrade",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
]);

/** Answers on the paths of a Supabase project, and tells the function what the platform's gateway tells it. */
export function startGateway({ port, functionPort, postgrestPort, authPort, mailPort }: GatewayOptions): Gateway {
  const api = new UpstreamPool(functionPort);
  const rest = new UpstreamPool(postgrestPort);
  const auth = new UpstreamPool(authPort);
  const mail = new UpstreamPool(mailPort);
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const clients = new Set<MessageConnection>();
  const exchanges = new Set<Promise<boolean>>();

  function route(target: string): Route | undefined {
    if (/^\/functions\/v1\/api(?=[/?]|$)/.test(target)) {
      const unavailable = { code: "BOOT_ERROR", message: "Function failed to start (please check logs)" };
      return { upstream: api, target: target.slice("/functions/v1".length), unavailable };
    }
    if (target.startsWith("/rest/v1/")) {
      const unavailable = { code: "UPSTREAM_ERROR", message: "PostgREST does not answer" };
      return { upstream: rest, target: target.slice("/rest/v1".length), unavailable };
    }
    if (target.startsWith("/auth/v1/")) {
      const unavailable = { code: "UPSTREAM_ERROR", message: "Auth does not answer" };
      return { upstream: auth, target, unavailable };
    }
    if (/^\/mail(?=[/?]|$)/.test(target)) {
      const unavailable = { code: "UPSTREAM_ERROR", message: "The mailbox does not answer" };
      return { upstream: mail, target, unavailable };
    }
    return undefined;
  }

  async function serve(client: MessageConnection): Promise<void> {
    clients.add(client);
    try {
      let isOpen = true;
      while (isOpen) {
        const head = await client.head();
        if (head === undefined) break;
        const exchange = answer(client, head, route, port);
        exchanges.add(exchange);
        isOpen = await exchange.finally(() => exchanges.delete(exchange));
      }
    } catch (error) {
      if (error instanceof MalformedMessage)
        await refuse(client, 400, { code: "BAD_REQUEST", message: error.message }).catch(() => {});
      // Anything else is a connection that ended; there is nobody to tell.
    } finally {
      clients.delete(client);
      client.close();
    }
  }

  let isStopped = false;
  async function accept(): Promise<void> {
    while (!isStopped) {
      // A client that is gone before it was accepted is its own affair: one failed accept ends nobody else's.
      const socket = await listener.accept().catch(() => undefined);
      if (socket !== undefined) void serve(new MessageConnection(socket)).catch(() => {});
      else if (!isStopped) await delay(ACCEPT_PAUSE_MS, undefined, { ref: false });
    }
  }
  void accept();

  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      isStopped = true;
      listener.close();
      await Promise.race([Promise.allSettled(exchanges), delay(STOP_GRACE_MS, undefined, { ref: false })]);
      for (const client of clients) client.close();
      api.close();
      rest.close();
      auth.close();
      mail.close();
    },
  };
}

/** Passes one request on and its answer back; false when the client's connection can't be used again. */
async function answer(
  client: MessageConnection,
  head: MessageHead,
  route: (target: string) => Route | undefined,
  port: number,
): Promise<boolean> {
  const [method = "", absoluteTarget = "", version = ""] = head.startLine.split(" ");
  if (!/^HTTP\/1\.[01]$/.test(version)) throw new MalformedMessage("the request line is not one of HTTP/1.1");
  const bodyEnd = requestBodyEnd(head);
  const found = route(absoluteTarget.replace(/^https?:\/\/[^/?]*/i, ""));
  if (found === undefined)
    return refuse(client, 404, { code: "NOT_FOUND", message: "Requested path was not found" }, method);
  const upstream = await found.upstream.take().catch(() => undefined);
  if (upstream === undefined) return refuse(client, 503, found.unavailable, method);

  let isReusable = false;
  try {
    let isSent = false;
    const request = Buffer.from(
      `${method} ${found.target} ${version}\r\n${forwardedFields(client, head, port)}\r\n\r\n`,
      "latin1",
    );
    client.consume(head.byteLength);
    // Not awaited: the answer may come before the body is through, and then the rest of it is not needed.
    passBody(client, upstream, bodyEnd, request).then(
      () => {
        isSent = true;
      },
      () => {},
    );
    const outcome = await passAnswer(upstream, client, method);
    if (outcome === "none") return refuse(client, 503, found.unavailable, method);
    isReusable = isSent && outcome === "complete";
    if (!isSent) await linger(client);
    return isReusable && version === "HTTP/1.1" && !/\bclose\b/i.test(head.value("connection") ?? "");
  } finally {
    if (isReusable) found.upstream.giveBack(upstream);
    else upstream.close();
  }
}

/** The request's header lines as the upstream gets them. */
function forwardedFields(client: MessageConnection, head: MessageHead, port: number): string {
  const forwardedFor = head.fields
    .filter(({ name }) => name === "x-forwarded-for")
    .map(({ line }) => line.slice("x-forwarded-for:".length).trim());
  const peer = (client.socket.remoteAddr as Deno.NetAddr).hostname;
  const lines = head.fields.filter(({ name }) => !DROPPED_FIELDS.has(name)).map(({ line }) => line);
  lines.push(
    `x-forwarded-for: ${[...forwardedFor, peer].join(", ")}`,
    `x-forwarded-host: ${head.value("host") ?? `127.0.0.1:${port}`}`,
    `x-forwarded-port: ${port}`,
  );
  // The platform ends TLS here, so a client came by https; a test may say otherwise, to see the 301.
  if (head.value("x-forwarded-proto") === undefined) lines.push("x-forwarded-proto: https");
  return lines.join("\r\n");
}

/** Passes the answer back, with the interim ones (100 Continue) before it; says whether the upstream keeps its connection. */
async function passAnswer(
  upstream: MessageConnection,
  client: MessageConnection,
  method: string,
): Promise<"complete" | "closed" | "none"> {
  for (;;) {
    const head = await upstream.head().catch(() => undefined);
    if (head === undefined) return "none";
    const status = Number(head.startLine.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length));
    const bytes = Buffer.from(upstream.received.subarray(0, head.byteLength));
    upstream.consume(head.byteLength);
    if (status < 200) {
      await client.write(bytes);
      continue;
    }
    const bodyEnd = answerBodyEnd(head, status, method);
    await passBody(upstream, client, bodyEnd, bytes);
    return bodyEnd === "close" || /\bclose\b/i.test(head.value("connection") ?? "") ? "closed" : "complete";
  }
}

/** Writes a head and the body that follows it, in as few writes as they came in reads. */
async function passBody(
  from: MessageConnection,
  to: MessageConnection,
  bodyEnd: BodyEnd | "close",
  head: Uint8Array,
): Promise<void> {
  let pending = head;
  for (;;) {
    const { length, isEnd } =
      bodyEnd === "close" ? { length: from.received.length, isEnd: false } : bodyEnd(from.received);
    const bytes = from.received.subarray(0, length);
    await to.write(pending.length === 0 ? bytes : Buffer.concat([pending, bytes]));
    pending = new Uint8Array();
    from.consume(length);
    if (isEnd) return;
    if (await from.receive()) continue;
    if (bodyEnd === "close") return;
    throw new Error("the connection closed inside a body");
  }
}

/** Answers for the upstream, and ends the connection. */
async function refuse(
  client: MessageConnection,
  status: keyof typeof REASONS,
  problem: Problem,
  method = "GET",
): Promise<false> {
  const text = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(text)}`,
    "connection: close",
  ];
  await client.write(Buffer.from(`${head.join("\r\n")}\r\n\r\n${method === "HEAD" ? "" : text}`));
  await linger(client);
  return false;
}

// A connection closed over bytes nobody read is reset, and its client may never see the answer.
async function linger(client: MessageConnection): Promise<void> {
  await client.socket.closeWrite();
  let isOver = false;
  const timeout = delay(LINGER_MS, undefined, { ref: false }).then(() => {
    isOver = true;
  });
  do client.consume(client.received.length);
  while (!isOver && (await Promise.race([client.receive(), timeout])));
}
