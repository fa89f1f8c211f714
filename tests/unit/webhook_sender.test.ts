import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Authority, createAuthority } from "../harness/certificates.ts";
import { type ConnectProxy, startConnectProxy } from "../harness/connect_proxy.ts";
import { type NameAnswers, startNameServer } from "../harness/name_server.ts";
import { INNER_HOSTS, REFUSED_URLS } from "../harness/refused_urls.ts";
import { type SenderProcess, type SenderResult, startSenderProcess } from "../harness/sender_process.ts";
import { type Behaviour, type Receiver, says, startReceiver } from "../harness/webhook_receivers.ts";
import type { SenderOrder } from "../harness/webhook_sender.ts";

const LOCAL = { allowLoopbackWebhooks: true };
const MESSAGE = {
  headers: { "content-type": "application/json", "webhook-id": "event", "user-agent": "AutomateNexus-Webhooks" },
  body: '{"name":"é"}',
};
const OK = says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
/** How the sender gets to what is not on this machine. */
const WAYS = { pinned: {}, checked: { lacks: ["sockets"] } } as const;

let authority: Authority;
let sender: SenderProcess;
const open: { close(): unknown }[] = [];

beforeAll(() => {
  authority = createAuthority();
  sender = startSenderProcess(authority.cert);
});
afterAll(() => sender.close());
afterEach(async () => {
  for (const { close } of open.splice(0)) await close();
});

function kept<Closed extends { close(): unknown }>(started: Closed): Closed {
  open.push(started);
  return started;
}

const receiver = async (...given: Parameters<typeof startReceiver>) => kept(await startReceiver(...given));
const names = async (zone: Record<string, NameAnswers>) => kept(await startNameServer(zone));

let orders = 0;
/** One order, of a sender of its own. */
function order(url: string, more: Omit<SenderOrder, "sender" | "url"> = {}): Promise<SenderResult> {
  orders += 1;
  return sender.follow({ sender: String(orders), url, ...more });
}

/** What became of the message at this receiver. */
async function send(to: Receiver | string, more: Omit<SenderOrder, "sender" | "url"> = {}) {
  const url = typeof to === "string" ? to : `http://127.0.0.1:${to.port}/crm?x=%C3%A9`;
  const { outcome, ...rest } = await order(url, { message: MESSAGE, config: LOCAL, timeoutMs: 5_000, ...more });
  expect(outcome?.durationMs).toBeGreaterThanOrEqual(0);
  const { durationMs, ...became } = outcome ?? { durationMs: Number.NaN };
  return { became, durationMs, ...rest };
}

describe.each(Object.entries(WAYS))("%s", (connection, way) => {
  const sendTo = (to: Receiver | string, more: Omit<SenderOrder, "sender" | "url"> = {}) =>
    send(to, { ...way, ...more });

  test("a message comes as it was given", async () => {
    const theirs = await receiver(OK);
    const sent = await sendTo(theirs);
    expect(sent).toMatchObject({ connection, became: { kind: "answered", status: 200, response: "ok" } });
    const [head = "", body = ""] = theirs.requests[0]?.split("\r\n\r\n") ?? [];
    expect(head).toMatch(/^POST \/crm\?x=%C3%A9 HTTP\/1\.1\r\n/);
    for (const line of [
      `host: 127.0.0.1:${theirs.port}`,
      "content-length: 13",
      "connection: close",
      "webhook-id: event",
      "user-agent: AutomateNexus-Webhooks",
      "content-type: application/json",
    ])
      expect(head.toLowerCase().split("\r\n")).toContain(line.toLowerCase());
    expect(Buffer.from(body, "latin1").toString()).toBe(MESSAGE.body);
  });

  test.each([201, 204, 299, 400, 410, 500, 503])("%i is an answer", async (status) => {
    const theirs = await receiver(says(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`));
    expect((await sendTo(theirs)).became).toEqual({ kind: "answered", status, response: "" });
  });

  test.each([301, 302, 303, 307, 308])("%i is not followed", async (status) => {
    const elsewhere = await receiver(OK);
    const location = `Location: http://127.0.0.1:${elsewhere.port}/`;
    const theirs = await receiver(says(`HTTP/1.1 ${status} X\r\n${location}\r\nContent-Length: 0\r\n\r\n`));
    expect((await sendTo(theirs)).became).toEqual({ kind: "answered", status, response: "" });
    expect(elsewhere.connections).toBe(0);
  });

  test.each([
    ["120", 120],
    ["0", 0],
    ["999999999", 86_400],
    [new Date(Date.now() + 3_600_000).toUTCString(), 3_600],
    [new Date(Date.now() + 90 * 86_400_000).toUTCString(), 86_400],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    ["soon", undefined],
  ])("429 with Retry-After: %s", async (asked, seconds) => {
    const theirs = await receiver(says(`HTTP/1.1 429 X\r\nRetry-After: ${asked}\r\nContent-Length: 0\r\n\r\n`));
    const { became } = await sendTo(theirs);
    expect(became).toMatchObject({ kind: "answered", status: 429 });
    const told = "retryAfterSeconds" in became ? became.retryAfterSeconds : undefined;
    if (seconds === undefined) expect(told).toBeUndefined();
    else expect(Math.abs((told ?? Number.NaN) - seconds)).toBeLessThan(60);
  });

  test("of a gigabyte the first kilobyte is kept, and the connection ends", async () => {
    let sent = 0;
    const gigabyte: Behaviour = (socket) => {
      const piece = Buffer.alloc(64 * 1024, "x");
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
      const more = () => {
        while (!socket.destroyed && socket.write(piece)) sent += piece.length;
      };
      socket.on("drain", more);
      more();
    };
    const { became, durationMs } = await sendTo(await receiver(gigabyte));
    expect(became).toEqual({ kind: "answered", status: 200, response: "x".repeat(1024) });
    expect(durationMs).toBeLessThan(4_000);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  const hang: Behaviour = () => {};
  const drip: (head: string) => Behaviour = (head) => (socket) => {
    socket.write(head);
    const timer = setInterval(() => socket.write("x"), 50);
    socket.on("close", () => clearInterval(timer));
  };
  test.each([
    ["that says nothing", hang],
    ["whose head drips", drip("HTTP/1.1 200 OK\r\nA: ")],
    ["whose body drips", drip("HTTP/1.1 200 OK\r\n\r\n")],
    ["that waits in the middle", (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")],
  ] satisfies [string, Behaviour][])(
    "a receiver %s is left after the time that an attempt has",
    async (_how, behaviour) => {
      const { became, durationMs } = await sendTo(await receiver(behaviour), { timeoutMs: 500 });
      expect(became).toEqual({ kind: "failed", error: "timeout" });
      expect(durationMs).toBeGreaterThan(400);
      expect(durationMs).toBeLessThan(2_500);
    },
  );

  test.each([
    ["ends without a word", (socket) => socket.end()],
    ["resets the connection", (socket) => socket.resetAndDestroy()],
    ["drops in the middle", says("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nab")],
  ] satisfies [string, Behaviour][])("a receiver that %s", async (_how, behaviour) => {
    expect((await sendTo(await receiver(behaviour))).became).toEqual({ kind: "failed", error: "connection" });
  });

  test("what is no HTTP is no answer", async () => {
    const { became } = await sendTo(await receiver(says("SSH-2.0-OpenSSH_9.6\r\n\r\n")));
    expect(became).toEqual({ kind: "failed", error: "protocol" });
  });

  test("nobody there", async () => {
    const theirs = await receiver(OK);
    await theirs.close();
    expect((await sendTo(theirs)).became).toEqual({ kind: "failed", error: "connection" });
    open.splice(0);
  });

  test("without the local stack's leave this machine is not called", async () => {
    const theirs = await receiver(OK);
    for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
      const { became, connected } = await sendTo(`http://${host}:${theirs.port}/`, { config: {} });
      expect([became, connected]).toEqual([{ kind: "failed", error: "url_not_allowed" }, []]);
    }
    expect(theirs.connections).toBe(0);
  });

  test("every spelling of an inner address is refused when it is sent to, and nobody is connected to", async () => {
    const { port, asked } = await names({});
    for (const url of [...INNER_HOSTS.map((host) => `https://${host}/`), ...REFUSED_URLS]) {
      const same = { sender: `refuser ${connection}`, url, dnsPort: port, config: LOCAL, ...way };
      const { outcome, connected } = await sender.follow({ ...same, message: MESSAGE });
      expect([url, outcome, connected]).toMatchObject([url, { kind: "failed", error: "url_not_allowed" }, []]);
      expect((await sender.follow(same)).refusal).toContain("The url field");
    }
    expect(asked).toEqual([]);
  });

  test.each([
    ["one inner address", { A: [["10.0.0.1"]] }],
    ["this machine", { A: [["127.0.0.1"]], AAAA: [["::1"]] }],
    ["an inner one among public ones", { A: [["1.1.1.1", "169.254.169.254"]] }],
    ["an inner one of IPv6 beside a public one", { A: [["1.1.1.1"]], AAAA: [["fd00::1"]] }],
    ["an inner one of IPv4 in IPv6", { A: [["1.1.1.1"]], AAAA: [["::ffff:10.0.0.1"]] }],
  ] satisfies [string, NameAnswers][])("a name with %s is refused", async (_what, zone) => {
    const { port } = await names({ "hooks.example.com": zone });
    const { became, connected } = await sendTo("https://hooks.example.com/", { dnsPort: port });
    expect([became, connected]).toEqual([{ kind: "failed", error: "url_not_allowed" }, []]);
    const checked = await order("https://hooks.example.com/", {
      ...way,
      lacks: [...((way as { lacks?: [] }).lacks ?? [])],
      dnsPort: port,
    });
    expect(checked.refusal).toMatch(/must lead to public addresses only; \S+ is not one/);
  });

  test("a name that nobody knows, or knows without addresses, or can't tell now", async () => {
    const { port } = await names({
      "bare.example.com": {},
      "failing.example.com": { A: [["1.1.1.1"]], AAAA: ["failure"] },
      "silent.example.com": { A: ["silence"], AAAA: ["silence"] },
    });
    for (const name of ["unknown", "bare"]) {
      expect((await sendTo(`https://${name}.example.com/`, { dnsPort: port })).became).toMatchObject({ error: "dns" });
    }
    const silent = await sendTo("https://silent.example.com/", { dnsPort: port, timeoutMs: 400 });
    expect(silent.became).toEqual({ kind: "failed", error: "timeout" });
  });
});

describe("over TLS", () => {
  const zone = { "hooks.example.com": { A: [["1.1.1.1"]], AAAA: [["2606:4700::1111"]] } } satisfies Record<
    string,
    NameAnswers
  >;
  const tls = (name: string, behaviour: Behaviour = OK) => receiver(behaviour, { certificate: authority.issue(name) });

  test("the certificate of the name is looked at, on a connection to the address", async () => {
    const theirs = await tls("hooks.example.com");
    const { port } = await names(zone);
    const { became, connected } = await send(`https://Hooks.example.com:${theirs.port}/crm`, { dnsPort: port });
    expect(became).toEqual({ kind: "answered", status: 200, response: "ok" });
    expect(connected).toEqual(["1.1.1.1"]);
    expect(theirs.requests[0]).toContain(`host: hooks.example.com:${theirs.port}\r\n`);
  });

  test("a name that changes its address after it was checked is called at the one that was checked", async () => {
    const theirs = await tls("hooks.example.com");
    const { port, asked } = await names({ "hooks.example.com": { A: [["1.1.1.1"], ["127.0.0.1"]] } });
    const url = `https://hooks.example.com:${theirs.port}/`;
    expect(await send(url, { dnsPort: port })).toMatchObject({ became: { status: 200 }, connected: ["1.1.1.1"] });
    expect(asked.sort()).toEqual(["A hooks.example.com", "AAAA hooks.example.com"]);
    expect((await send(url, { dnsPort: port })).became).toEqual({ kind: "failed", error: "url_not_allowed" });
  });

  test("a certificate of another name, or of another authority, or none at all: nothing is sent", async () => {
    const { port } = await names(zone);
    const foreign = createAuthority().issue("hooks.example.com");
    for (const theirs of [
      await tls("other.example.com"),
      await receiver(OK, { certificate: foreign }),
      await receiver(says("HTTP/1.1 400 Bad Request\r\n\r\n"), { speaksFirst: true }),
    ]) {
      const { became } = await send(`https://hooks.example.com:${theirs.port}/`, { dnsPort: port });
      expect([became, theirs.requests]).toEqual([{ kind: "failed", error: "tls" }, []]);
    }
  });

  test("a name that DNS has no way to ask for", async () => {
    const { port, asked } = await names({});
    for (const host of [
      "-b_.example.com",
      `${"a".repeat(64)}.example.com`,
      "a..example.com",
      `${"a.".repeat(130)}com`,
    ]) {
      const { became } = await send(`https://${host}/`, { dnsPort: port });
      expect([host, became]).toEqual([host, { kind: "failed", error: "dns" }]);
    }
    expect(asked).toEqual([]);
  });

  test("a receiver that hangs up or keeps silent where TLS begins", async () => {
    const { port } = await names(zone);
    const url = ({ port: theirs }: Receiver) => `https://hooks.example.com:${theirs}/`;
    const gone = await receiver((socket) => socket.resetAndDestroy(), { speaksFirst: true });
    for (let i = 0; i < 20; i += 1)
      expect((await send(url(gone), { dnsPort: port })).became).toEqual({ kind: "failed", error: "connection" });
    const silent = await receiver(() => {}, { speaksFirst: true });
    const { became } = await send(url(silent), { dnsPort: port, timeoutMs: 400 });
    expect(became).toEqual({ kind: "failed", error: "timeout" });
  });

  test("a name that is another's alias leads where that does", async () => {
    const theirs = await tls("hooks.example.com");
    const { port } = await names({
      "hooks.example.com": { alias: "edge.example.net", A: [["1.1.1.1"]] },
      "inner.example.com": { alias: "db.example.net", A: [["10.0.0.1"]] },
    });
    const sent = await send(`https://hooks.example.com:${theirs.port}/`, { dnsPort: port });
    expect(sent).toMatchObject({ became: { status: 200 }, connected: ["1.1.1.1"] });
    const inner = await send("https://inner.example.com/", { dnsPort: port });
    expect(inner).toMatchObject({ became: { error: "url_not_allowed" }, connected: [] });
  });

  test("an address of IPv6 alone is called, too", async () => {
    const theirs = await tls("hooks.example.com");
    const { port } = await names({ "hooks.example.com": { AAAA: [["2606:4700::1111"]] } });
    expect(await send(`https://hooks.example.com:${theirs.port}/`, { dnsPort: port })).toMatchObject({
      became: { status: 200 },
      connected: ["2606:4700::1111"],
    });
  });

  test("of several addresses the next is tried where nobody answers", async () => {
    const theirs = await tls("hooks.example.com");
    const { port } = await names({ "hooks.example.com": { A: [["1.0.0.1"]], AAAA: [["2606:4700::1111"]] } });
    const url = `https://hooks.example.com:${theirs.port}/`;
    const both = ["1.0.0.1", "2606:4700::1111"];
    expect(await send(url, { dnsPort: port, deadAddresses: ["1.0.0.1"] })).toMatchObject({
      became: { status: 200 },
      connected: both,
    });
    expect(await send(url, { dnsPort: port, deadAddresses: both })).toMatchObject({
      became: { kind: "failed", error: "connection" },
      connected: both,
    });
  });

  test("an answer whose end TLS does not tell is one", async () => {
    const theirs = await tls("hooks.example.com", (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\nto the end", () => socket.destroy());
    });
    const { port } = await names(zone);
    const { became } = await send(`https://hooks.example.com:${theirs.port}/`, { dnsPort: port });
    expect(became).toEqual({ kind: "answered", status: 200, response: "to the end" });
  });
});

describe("through a proxy", () => {
  const zone = { "hooks.example.com": { A: [["1.1.1.1"]] } } satisfies Record<string, NameAnswers>;
  const through = ({ port }: ConnectProxy, credentials = "") => ({
    egressProxyUrl: `http://${credentials}127.0.0.1:${port}`,
  });
  const proxies = async (refusal?: string) => kept(await startConnectProxy(refusal));

  test("the connection to the checked address is made by the proxy, and TLS is agreed on with the receiver", async () => {
    const theirs = await receiver(OK, { certificate: authority.issue("hooks.example.com") });
    const proxy = await proxies();
    const { port } = await names(zone);
    const url = `https://hooks.example.com:${theirs.port}/`;
    const sent = await send(url, { dnsPort: port, config: through(proxy, "ann:p%40ss@") });
    expect(sent).toMatchObject({ connection: "proxied", became: { status: 200, response: "ok" } });
    expect([sent.connected, proxy.asked]).toEqual([["127.0.0.1"], [`1.1.1.1:${theirs.port}`]]);
    expect(proxy.authorizations).toEqual([`Basic ${btoa("ann:p@ss")}`]);
    await send(url, { dnsPort: port, config: through(proxy) });
    expect(proxy.authorizations[1]).toBeUndefined();
  });

  test("inner addresses are refused all the same", async () => {
    const proxy = await proxies();
    const { port } = await names({ "hooks.example.com": { A: [["10.0.0.1"]] } });
    for (const url of ["https://hooks.example.com/", "https://169.254.169.254/"]) {
      const { became } = await send(url, { dnsPort: port, config: through(proxy) });
      expect(became).toEqual({ kind: "failed", error: "url_not_allowed" });
    }
    expect(proxy.asked).toEqual([]);
  });

  test.each([
    "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 502 Bad Gateway\r\n\r\n",
  ])("a proxy that answers %j is no receiver that did", async (refusal) => {
    const { port } = await names(zone);
    const config = through(await proxies(refusal));
    const { became } = await send("https://hooks.example.com/", { dnsPort: port, config });
    expect(became).toEqual({ kind: "failed", error: "connection" });
  });

  test("without sockets fetch goes through it, by name where nothing can be looked up here", async () => {
    const theirs = await receiver(OK, { certificate: authority.issue("hooks.example.com") });
    const proxy = await proxies();
    const { port } = await names(zone);
    const url = `https://hooks.example.com:${theirs.port}/`;
    const config = through(proxy, "ann:p%40ss@");
    for (const lacks of [["sockets"], ["sockets", "resolve"], ["resolve"]] as const) {
      const sent = await send(url, { dnsPort: port, config, lacks });
      expect(sent).toMatchObject({ connection: "proxied", became: { status: 200 }, connected: [] });
    }
    const asked = `hooks.example.com:${theirs.port}`;
    expect(proxy.asked).toEqual([asked, asked, asked]);
    expect(proxy.authorizations[0]).toBe(`Basic ${btoa("ann:p@ss")}`);
  });

  test("nothing goes round it", async () => {
    const theirs = await receiver(OK);
    const config = { ...LOCAL, ...through(await proxies()) };
    const { became } = await send(theirs, { config, lacks: ["sockets", "createProxyClient"] });
    expect([became, theirs.connections]).toEqual([{ kind: "failed", error: "connection" }, 0]);
  });
});

test("a platform that forbids the sockets which it has is left alone with them from then on", async () => {
  const theirs = await receiver(OK);
  const url = `http://127.0.0.1:${theirs.port}/`;
  const same = { sender: "forbidden", url, config: LOCAL, forbidsSockets: true };
  expect(await sender.follow(same)).toMatchObject({ connection: "pinned", logged: [] });
  const sent = [await sender.follow({ ...same, message: MESSAGE }), await sender.follow({ ...same, message: MESSAGE })];
  expect(sent).toMatchObject([
    { outcome: { status: 200 }, connection: "checked", connected: ["127.0.0.1"], logged: ["webhooks_not_pinned"] },
    { outcome: { status: 200 }, connection: "checked", connected: [], logged: [] },
  ]);
});

test("where a webhook may go is told before there is one", async () => {
  const { port } = await names({ "hooks.example.com": { A: [["1.1.1.1"]] } });
  const check = async (url: string) => (await order(url, { dnsPort: port, config: LOCAL })).refusal;
  expect(await check("https://hooks.example.com/crm")).toBeUndefined();
  expect(await check("http://127.0.0.1:8080/crm")).toBeUndefined();
  expect(await check("https://nobody.example.com/")).toBeUndefined(); // It may get an address before anything is sent.
  expect(await check("https://abcdefghijklmnopqrst.supabase.co/functions/v1/api")).toBe(
    "The url field may not lead to this API.",
  );
});
