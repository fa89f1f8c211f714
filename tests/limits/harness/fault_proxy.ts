import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { freePort } from "./ports.ts";

/** What the way to the endpoint does: work, refuse connections, accept and stay silent, or answer for somebody else. */
export type Fault = "none" | "refused" | "hung" | "bad_gateway" | "unauthorized" | "nonsense";

export interface FaultProxy {
  url: string;
  /** Ends all connections and behaves so from now on. */
  set(fault: Fault): Promise<void>;
  close(): Promise<void>;
}

const ANSWERS: Partial<Record<Fault, string>> = {
  bad_gateway: answer("502 Bad Gateway", "text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>"),
  unauthorized: answer("401 Unauthorized", "application/json", '{"error":"Unauthorized"}'),
  nonsense: answer("200 OK", "application/json", '[{"result":["b25l","dHdv"]}]'),
};

/** A TCP proxy in front of `target` that can be made to fail. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  let fault: Fault = "none";
  let server: Server | undefined;

  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    return socket;
  };
  const accept = (client: Socket) => {
    track(client);
    if (fault === "none") {
      const upstream = track(connect(Number(new URL(target).port), "127.0.0.1"));
      client.pipe(upstream).pipe(client);
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroy());
    } else if (fault !== "hung") client.on("data", () => client.end(ANSWERS[fault] ?? ""));
  };
  const close = async () => {
    const closing = server;
    server = undefined;
    for (const socket of sockets) socket.destroy();
    if (closing) await new Promise((resolve) => closing.close(resolve));
  };
  const open = async () => {
    server = createServer(accept);
    await new Promise<void>((resolve) => server?.listen(port, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };

  await open();
  return {
    url: `http://127.0.0.1:${port}`,
    close,
    async set(next) {
      fault = next;
      await close();
      if (next !== "refused") await open();
    },
  };
}

function answer(status: string, type: string, body: string): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}
