import { Buffer } from "node:buffer";
import { AnswerReader } from "./answer.ts";
import { AttemptFailure } from "./failure.ts";
import { type Connection, credentialsOf, type Sockets, type TlsConnection } from "./network.ts";
import type { Target } from "./target.ts";

/** Addresses that are tried one after another, and how long each may take while there are others. */
const MAX_ADDRESSES = 4;
const CONNECT_TIMEOUT_MS = 4_000;

export interface ConnectionOptions {
  /** Ends the attempt; what is open then is closed. */
  signal: AbortSignal;
  /** An `http:` proxy, which is asked to connect us to the address. */
  proxy?: URL | undefined;
}

/**
 * Opens a connection to an address of the target's, never to a name, which somebody could have led elsewhere since it was looked up.
 * Encrypted when the target has a name, to which the certificate has to be issued.
 * @throws AttemptFailure
 */
export async function openConnection(
  sockets: Sockets,
  { addresses, port, tlsName }: Target,
  { signal, proxy }: ConnectionOptions,
): Promise<Connection> {
  const plain =
    proxy === undefined
      ? await connect(sockets, addresses, port, signal)
      : await connectThrough(proxy, sockets, [addresses[0] ?? "", port], signal);
  if (tlsName === undefined) return plain;
  let encrypted: TlsConnection | undefined;
  try {
    // It takes the connection over: from here on only the encrypted one can be closed.
    encrypted = await until(signal, sockets.startTls(plain, tlsName));
    closeAtEnd(encrypted, signal);
    await until(signal, encrypted.handshake());
    return encrypted;
  } catch (error) {
    close(encrypted ?? plain);
    throw isBrokenOff(error)
      ? failed(error)
      : new AttemptFailure("tls", "TLS could not be agreed on.", { cause: error });
  }
}

/** Waits for something, but not beyond the end of the attempt. */
export function until<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const end = () => reject(signal.reason);
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
}

/** Closes a connection, which may have closed itself. */
export function close(connection: Connection): void {
  try {
    connection.close();
  } catch {
    // It was closed already, or TLS has taken it over.
  }
}

async function connect(
  sockets: Sockets,
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<Connection> {
  const tried = addresses.slice(0, MAX_ADDRESSES);
  let last: unknown;
  for (const [i, address] of tried.entries()) {
    const isLast = i === tried.length - 1;
    const patience = isLast ? signal : AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const connecting = sockets.connect(address, port);
    try {
      const connection = await until(patience, connecting);
      closeAtEnd(connection, signal);
      return connection;
    } catch (error) {
      connecting.then(close, () => {}); // It may come after all; nobody waits for it any more.
      if (signal.aborted) throw error;
      last = error;
    }
  }
  throw failed(last);
}

async function connectThrough(
  proxy: URL,
  sockets: Sockets,
  [address, port]: readonly [address: string, port: number],
  signal: AbortSignal,
): Promise<Connection> {
  const connection = await connect(sockets, [proxy.hostname.replace(/^\[|\]$/g, "")], Number(proxy.port || 80), signal);
  const place = `${address.includes(":") ? `[${address}]` : address}:${port}`;
  const { username, password } = credentialsOf(proxy);
  const basic = Buffer.from(`${username}:${password}`).toString("base64");
  const lines = [`CONNECT ${place} HTTP/1.1`, `Host: ${place}`];
  if (username !== "") lines.push(`Proxy-Authorization: Basic ${basic}`);
  try {
    await until(signal, writeAll(connection, new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`)));
    const reader = new AnswerReader(connection);
    const { status } = await until(signal, reader.head());
    if (status >= 200 && status <= 299 && reader.isAtEndOfHead) return connection;
    throw new AttemptFailure("connection", `The proxy answered ${status}.`);
  } catch (error) {
    close(connection);
    throw failed(error);
  }
}

/** Writes all of it, as `write` may write less. */
export async function writeAll(connection: Connection, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += await connection.write(bytes.subarray(at));
}

/** What the sockets complain of, as an AttemptFailure. What is one already, and the end of the attempt, stay as they are. */
export function failed(error: unknown): unknown {
  if (error instanceof AttemptFailure || (error instanceof Error && error.name === "TimeoutError")) return error;
  const isBadTls = error instanceof Error && error.name === "InvalidData";
  return new AttemptFailure(isBadTls ? "tls" : "connection", "The connection failed.", { cause: error });
}

function isBrokenOff(error: unknown): boolean {
  return (
    error instanceof Error &&
    ["ConnectionReset", "ConnectionAborted", "NotConnected", "BrokenPipe", "UnexpectedEof", "TimeoutError"].includes(
      error.name,
    )
  );
}

function closeAtEnd(connection: Connection, signal: AbortSignal): void {
  signal.addEventListener("abort", () => close(connection), { once: true });
}
