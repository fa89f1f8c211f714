import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** Told of each answer of PostgREST before it is passed on; answering false keeps it back for ever. */
export type Interceptor = (path: string, status: number) => boolean | Promise<boolean>;

/** An HTTP proxy in front of PostgREST that can lose its answers, after PostgREST has done its work. */
export async function startRestProxy(
  target: string,
  intercept: Interceptor,
): Promise<{ url: string; close(): Promise<void> }> {
  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const { host: _host, connection: _connection, "content-length": _length, ...headers } = request.headers;
    const answer = await fetch(target + request.url, {
      method: request.method ?? "GET",
      headers: headers as Record<string, string>,
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (!(await intercept(request.url ?? "", answer.status))) return;
    const {
      "content-encoding": _encoding,
      "content-length": _bytes,
      "transfer-encoding": _transfer,
      ...passed
    } = Object.fromEntries(answer.headers);
    response.writeHead(answer.status, { ...passed, "content-length": bytes.length }).end(bytes);
  }

  const server = createServer((request, response) => {
    forward(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
