import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface HttpProxy {
  url: string;
  close(): Promise<void>;
}

export interface HttpProxyOptions {
  /** Told of each request, and what it holds, before it is passed on. */
  onRequest?: (method: string, path: string, body: Buffer) => void;
  /** Told of each answer, and what its request held, before it is passed on; answering false keeps it back for ever. */
  onAnswer?: (path: string, status: number, body: Buffer, answer: Buffer) => boolean | Promise<boolean>;
}

/** A proxy between a function and one of its stores, that sees what passes and can lose an answer after the work is done. */
export async function startHttpProxy(
  target: string,
  { onRequest = () => {}, onAnswer = () => true }: HttpProxyOptions,
): Promise<HttpProxy> {
  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "" } = request;
    const body = await buffer(request);
    onRequest(method, url, body);
    const { host: _host, connection: _connection, "content-length": _length, ...headers } = request.headers;
    const answer = await fetch(target + url, {
      method,
      headers: headers as Record<string, string>,
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (!(await onAnswer(url, answer.status, body, bytes))) return;
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
