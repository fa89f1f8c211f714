import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** What a request to the service is answered with; `silence`, when it is not. */
export type MailAnswer = { status: number; headers?: Record<string, string> } | "silence";

export interface TakenMail {
  headers: IncomingHttpHeaders;
  body: unknown;
}

export interface TestMailService {
  url: string;
  /** All that came. */
  taken: TakenMail[];
  /** Given one each to the next requests; those after them are taken. */
  answers: MailAnswer[];
  close(): Promise<void>;
}

/** A mail service that answers what a test wants. */
export async function startMailService(): Promise<TestMailService> {
  const taken: TakenMail[] = [];
  const answers: MailAnswer[] = [];
  const server = createServer(async (request, response) => {
    taken.push({ headers: request.headers, body: await json(request) });
    const answer = answers.shift() ?? { status: 200 };
    if (answer === "silence") return;
    response.writeHead(answer.status, answer.headers).end(JSON.stringify({ id: "theirs" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/emails`,
    taken,
    answers,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
