// Runs the sender of webhooks in Deno, for a test in Node: an order a line on stdin, what became of it a line on stdout.
// `public` addresses lead to this machine, and names are looked up at the test's own server.

import { type Network, ownNetwork } from "../../shared/webhooks/network.ts";
import { createSender, type Message, type SenderConfig } from "../../shared/webhooks/send.ts";

/** What is to be done, and by which sender. */
export interface SenderOrder {
  /** What the others aren't told apart by: orders of one sender share it. */
  sender: string;
  url: string;
  /** Without one the URL is only checked. */
  message?: Message;
  config?: Partial<SenderConfig>;
  timeoutMs?: number;
  /** Where names are looked up. */
  dnsPort?: number;
  /** What the runtime lacks, or has and forbids. */
  lacks?: readonly ("resolve" | "sockets" | "createProxyClient")[];
  forbidsSockets?: boolean;
  /** Addresses at which nobody answers. */
  deadAddresses?: readonly string[];
}

const OWN = "https://abcdefghijklmnopqrst.supabase.co";
const connected: string[] = [];
const logged: string[] = [];

function networkOf({ dnsPort, lacks = [], forbidsSockets, deadAddresses = [] }: SenderOrder): Network {
  const own = ownNetwork();
  const network: Network = {
    ...own,
    resolve: (name, type, signal) =>
      Deno.resolveDns(name, type, { signal, nameServer: { ipAddr: "127.0.0.1", port: dnsPort ?? 0 } }),
    sockets: own.sockets && {
      ...own.sockets,
      connect(address, port) {
        connected.push(address);
        if (forbidsSockets) return Promise.reject(new Deno.errors.NotCapable("Requires net access"));
        if (deadAddresses.includes(address)) return Deno.connect({ hostname: "127.0.0.1", port: 1 });
        return own.sockets?.connect(/^(?:127\.|::1$)/.test(address) ? address : "127.0.0.1", port) ?? Promise.reject();
      },
    },
  };
  for (const lacking of lacks) network[lacking] = undefined;
  return network;
}

const senders = new Map<string, ReturnType<typeof createSender>>();

function senderOf(order: SenderOrder): ReturnType<typeof createSender> {
  const known = senders.get(order.sender);
  if (known !== undefined) return known;
  const config: SenderConfig = {
    supabaseUrl: OWN,
    publicApiUrl: "https://crm.example.com/functions/v1/api",
    restUrl: `${OWN}/rest/v1`,
    egressProxyUrl: undefined,
    allowLoopbackWebhooks: false,
    ...order.config,
  };
  const { timeoutMs } = order;
  const created = createSender(config, {
    network: networkOf(order),
    log: (_level, event) => logged.push(event),
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  senders.set(order.sender, created);
  return created;
}

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
let rest = "";
for await (const text of lines) {
  const [...whole] = (rest + text).split("\n");
  rest = whole.pop() ?? "";
  for (const line of whole) await follow(JSON.parse(line));
}

async function follow(order: SenderOrder): Promise<void> {
  const sender = senderOf(order);
  connected.length = 0;
  const { url, message } = order;
  const result =
    message === undefined ? { refusal: await sender.check(url) } : { outcome: await sender.send(url, message) };
  const line = JSON.stringify({ ...result, connection: sender.connection, connected, logged: logged.splice(0) });
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}
