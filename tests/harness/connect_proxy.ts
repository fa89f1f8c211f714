import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A proxy that takes CONNECT, and connects to this machine whichever address it is asked for. */
export interface ConnectProxy {
  port: number;
  /** The addresses it was asked for, and with which `Proxy-Authorization`. */
  asked: string[];
  authorizations: (string | undefined)[];
  close(): Promise<void>;
}

/** Starts one that gives this answer instead of connecting, where there is one. */
export async function startConnectProxy(refusal?: string): Promise<ConnectProxy> {
  const sockets = new Set<Socket>();
  const server = createServer();
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    authorizations.push(request.headers["proxy-authorization"]);
    if (refusal !== undefined) return socket.end(refusal);
    const theirs = connect(Number(/\d+$/.exec(request.url ?? "")?.[0]), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\nX-Proxy: ours\r\n\r\n");
      theirs.pipe(socket).pipe(theirs);
    });
    sockets.add(theirs);
    theirs.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    authorizations,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
