import { createServer } from "node:net";
import { type Part, PORTS } from "./settings.ts";

/** A loopback port that nobody listens on right now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** @throws when somebody listens on the port, saying who wants it and how to choose another one */
export async function requireFreePort(part: Part, port: number): Promise<void> {
  const isFree = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
  if (isFree) return;
  const { variable } = PORTS[part];
  throw new Error(
    `Port ${port} is taken, and the ${part} needs it. Choose another one: ${variable}=${port + 1000} npm start`,
  );
}
