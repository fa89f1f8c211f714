import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";

/** What a name has, or what becomes of the question; of several for one type each answers once, and the last goes on. */
export type NameAnswers = Partial<Record<"A" | "AAAA", (string[] | "failure" | "silence")[]>> & {
  /** The name that has these addresses, where this one is only another for it. */
  alias?: string;
};

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
    const records = answer === "failure" ? [] : recordsOf(answer, names[name]?.alias);
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

/** Of the name that the question has at its byte 12, or of the one that it is an alias of. */
function recordsOf(addresses: string[], alias: string | undefined): Buffer[] {
  const asked = Buffer.from([0xc0, 12]);
  const owner = alias === undefined ? asked : nameBytes(alias);
  const records = addresses.map((address) => {
    const bytes = isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split(".").map(Number));
    return recordOf(owner, bytes.length === 16 ? 28 : 1, bytes);
  });
  return alias === undefined ? records : [recordOf(asked, 5, owner), ...records];
}

/** Good for a minute. */
function recordOf(owner: Buffer, type: number, data: Buffer): Buffer {
  return Buffer.concat([owner, Buffer.from([0, type, 0, 1, 0, 0, 0, 60, 0, data.length]), data]);
}

function nameBytes(name: string): Buffer {
  return Buffer.concat([
    ...name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);
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
