import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { expect } from "vitest";
import type { Made } from "./sales_team.ts";

/** A request that an endpoint has got. */
export interface Received {
  headers: IncomingHttpHeaders;
  text: string;
  body: Made;
  at: number;
}

type Answering = (received: Received, response: ServerResponse, nth: number) => void;

const ok: Answering = (_received, response) => void response.writeHead(204).end();

/** An endpoint of a customer's. */
export interface Receiver {
  url: string;
  received: Received[];
  /** How requests are answered from now on. */
  answer(how: Answering | number): void;
  /** Waits until so many have come that satisfy a condition, and answers those. */
  until(count: number, is?: (received: Received) => boolean, timeoutMs?: number): Promise<Received[]>;
  close(): Promise<void>;
}

/** Listens on this machine, and notes what comes. */
export async function openReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let answering = ok;
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const one = { headers: request.headers, text, body: JSON.parse(text), at: Date.now() };
      received.push(one);
      answering(one, response, received.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answer(how) {
      answering = typeof how === "number" ? (_received, response) => void response.writeHead(how).end("no") : how;
    },
    async until(count, is = () => true, timeoutMs = 15_000) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const found = received.filter(is);
        if (found.length >= count) return found;
        if (Date.now() > deadline)
          throw new Error(
            `${found.length} of ${count} came: ${JSON.stringify(received.map(({ body }) => body["type"]))}`,
          );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** That a delivery is signed with a secret, by the package of Standard Webhooks. */
export function expectSigned({ headers, text }: Received, secret: string): void {
  expect(new Webhook(secret).verify(text, headers as Record<string, string>)).toEqual(JSON.parse(text));
}
