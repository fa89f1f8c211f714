import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Certificate } from "./certificates.ts";

/** Somebody webhooks are sent to, who may do to the connection what they like. */
export interface Receiver {
  port: number;
  /** Each request as it came, once its head and the length that it names were there. */
  requests: string[];
  /** How many connections there were. */
  connections: number;
  close(): Promise<void>;
}

/** What a receiver does once it has a request. */
export type Behaviour = (socket: Socket) => void;

/** Answers with these bytes, and ends. */
export const says =
  (...parts: (string | Uint8Array)[]): Behaviour =>
  (socket) => {
    for (const part of parts) socket.write(part);
    socket.end();
  };

/** Starts a receiver on this machine. */
export async function startReceiver(
  behaviour: Behaviour,
  { certificate, speaksFirst = false }: { certificate?: Certificate; speaksFirst?: boolean } = {},
): Promise<Receiver> {
  const sockets = new Set<Socket>();
  function onConnection(socket: Socket): void {
    receiver.connections += 1;
    sockets.add(socket);
    let text = "";
    let isDone = speaksFirst;
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    if (speaksFirst) behaviour(socket);
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (isDone || end === -1 || text.length < end + 4 + length) return;
      isDone = true;
      receiver.requests.push(text);
      behaviour(socket);
    });
  }
  const server = certificate === undefined ? createServer(onConnection) : createTlsServer(certificate, onConnection);
  server.on("tlsClientError", () => {});
  const receiver: Receiver = {
    port: 0,
    requests: [],
    connections: 0,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  receiver.port = (server.address() as AddressInfo).port;
  return receiver;
}
