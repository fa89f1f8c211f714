import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";

/** What a name has, or what becomes of the question; of several for one type each answers once, and the last goes on. */
export type NameAnswers = Partial<Record<"A" | "AAAA", (string[] | "failure" | "silence")[]>>;

/** A DNS server. */
export interface NameServer {
  port: number;
  /** `A name` of each question. */
  asked: string[];
  close(): Promise<void>;
}

const TYPES = { 1: "A", 28: "AAAA" } as const;

/** Starts a server that knows these names, and no others. */
export async function startNameServer(names: Record<string, NameAnswers>): Promise<NameServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (query, { port, address }) => {
    const { name, end } = readName(query);
    const type = TYPES[query.readUInt16BE(end) as keyof typeof TYPES];
    if (type === undefined) return;
    asked.push(`${type} ${name}`);
    const answers = names[name]?.[type];
    const answer = (answers !== undefined && answers.length > 1 ? answers.shift() : answers?.[0]) ?? [];
    if (answer === "silence") return;
    const known = name in names;
    const code = answer === "failure" ? 2 : known ? 0 : 3;
    const records = answer === "failure" ? [] : answer.map(recordOf);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    socket.send(Buffer.concat([header, query.subarray(12, end + 4), ...records]), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    port: socket.address().port,
    asked,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), end: at + 1 };
}

/** Of the name that the question has at its byte 12, for no time at all. */
function recordOf(address: string): Buffer {
  const bytes = isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split(".").map(Number));
  const head = Buffer.from([0xc0, 12, 0, bytes.length === 16 ? 28 : 1, 0, 1, 0, 0, 0, 0, 0, bytes.length]);
  return Buffer.concat([head, bytes]);
}

function ipv6Bytes(address: string): Buffer {
  const [, host = ""] = /^\[(.*)\]$/.exec(new URL(`http://[${address}]/`).hostname) ?? [];
  const [before = "", after] = host.split("::");
  const [left, right] = [before, after ?? ""].map((half) => (half === "" ? [] : half.split(":")));
  const middle = Array(after === undefined ? 0 : 8 - (left?.length ?? 0) - (right?.length ?? 0)).fill("0");
  return Buffer.from(
    [...(left ?? []), ...middle, ...(right ?? [])].map((group) => group.padStart(4, "0")).join(""),
    "hex",
  );
}
