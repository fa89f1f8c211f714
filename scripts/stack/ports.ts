import { createServer } from "node:net";
import { type Part, PORTS } from "./settings.ts";

// Below the ranges from which systems give outgoing connections their ports, so that none of those
// takes a port between the moment it is found free and the moment it is used.
const FIRST_FREE = 20_000;
const LAST_FREE = 32_000;

/** A loopback port that nobody listens on right now. */
export async function freePort(): Promise<number> {
  return await freePorts(1);
}

/** The first of `count` ports in a row that nobody listens on right now. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = FIRST_FREE + Math.floor(Math.random() * (LAST_FREE - FIRST_FREE - count));
    const row = Array.from({ length: count }, (_, i) => first + i);
    if ((await Promise.all(row.map(isFree))).every(Boolean)) return first;
  }
}

/** @throws when somebody listens on the port, saying who wants it and how to choose another one */
export async function requireFreePort(part: Part, port: number): Promise<void> {
  if (await isFree(port)) return;
  const { name, variable } = PORTS[part];
  const all = part === "gateway" ? "moves the other ports along" : "moves one port, PORT=… all of them";
  throw new Error(
    `Port ${port} is taken, and ${name} needs it. Choose another one: ${variable}=${port + 1000} npm start (${all}).`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
