import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../scripts/stack/settings.ts";

/** A kind of request to one server. */
export interface Target {
  /** Base URL that the paths are appended to. */
  url: string;
  method?: "GET" | "POST" | "PATCH";
  headers: Record<string, string>;
  /** Taken in turn. `{unique}` in a body becomes text that no request has had before. */
  requests: readonly { path: string; body?: string }[];
}

/** What a measurement saw; several add up. */
export interface Measurement {
  requests: number;
  seconds: number;
  /** Answers that were not 2xx, and requests without an answer. */
  errors: number;
  /** What the errors were, by status. */
  statuses: Record<string, number>;
  /** Ascending. */
  latenciesMs: number[];
}

export const CONNECTIONS = 16;

interface Worker {
  stdin: { write(text: string): void };
  answers: AsyncIterator<string>;
}
let worker: Worker | undefined;

// One for the whole run: it ends with us, as its orders do.
function startWorker(): Worker {
  const { stdin, stdout } = spawn("node", [join(ROOT, "bench/load_worker.mjs")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  return { stdin, answers: createInterface({ input: stdout })[Symbol.asyncIterator]() };
}

/** Sends so many requests by `CONNECTIONS` clients, each sending its next one when it has its answer. */
export async function load({ url, method = "GET", headers, requests }: Target, amount: number): Promise<Measurement> {
  const base = new URL(url);
  const prefix = base.pathname === "/" ? "" : base.pathname;
  worker ??= startWorker();
  worker.stdin.write(
    `${JSON.stringify({
      url: base.origin,
      connections: CONNECTIONS,
      amount: Math.max(Math.round(amount), CONNECTIONS),
      method,
      headers,
      requests: requests.map(({ path, body }) => ({ path: prefix + path, body })),
    })}\n`,
  );
  const line = await worker.answers.next();
  if (line.done) throw new Error("The load generator has ended.");
  const { latencies, seconds, statuses, failures } = JSON.parse(line.value) as {
    seconds: number;
    latencies: number[];
    statuses: Record<string, number>;
    failures: number;
  };
  return measurement(latencies, seconds, statuses, failures);
}

/** Sends requests one after the other, as one client would, and times each. */
export async function single(target: Target, count: number, maxSeconds = 10): Promise<Measurement> {
  const { url, method = "GET", requests, headers } = target;
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  const startedAt = performance.now();
  for (let i = 0; i < count && performance.now() - startedAt < maxSeconds * 1000; i++) {
    const { path, body } = requests[i % requests.length] ?? { path: "" };
    const unique = `${performance.now()}-${i}`.replace(".", "-");
    const init = { method, headers, ...(body !== undefined && { body: body.replaceAll("{unique}", unique) }) };
    const sentAt = performance.now();
    const response = await fetch(url + path, init);
    await response.arrayBuffer();
    latencies.push(performance.now() - sentAt);
    statuses[response.status] = (statuses[response.status] ?? 0) + 1;
  }
  return measurement(latencies, (performance.now() - startedAt) / 1000, statuses, 0);
}
/** Measurements of the same target as one. */
export function together(parts: readonly Measurement[]): Measurement {
  const statuses: Record<string, number> = {};
  for (const part of parts) {
    for (const [status, count] of Object.entries(part.statuses)) statuses[status] = (statuses[status] ?? 0) + count;
  }
  return {
    requests: sum(parts.map((part) => part.requests)),
    seconds: sum(parts.map((part) => part.seconds)),
    errors: sum(parts.map((part) => part.errors)),
    statuses,
    latenciesMs: parts.flatMap((part) => part.latenciesMs).sort((a, b) => a - b),
  };
}

export function perSecond({ requests, seconds }: Measurement): number {
  return requests / seconds;
}

/** The latency that a share of the requests did not exceed, in milliseconds. */
export function percentile({ latenciesMs }: Measurement, share: number): number {
  return latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b);
  const middle = Math.floor(ascending.length / 2);
  return ascending.length % 2 === 1
    ? (ascending[middle] ?? Number.NaN)
    : ((ascending[middle - 1] ?? Number.NaN) + (ascending[middle] ?? Number.NaN)) / 2;
}

export function measurement(
  latencies: number[],
  seconds: number,
  statuses: Record<string, number>,
  failures: number,
): Measurement {
  const refused = sum(Object.entries(statuses).map(([status, count]) => (status.startsWith("2") ? 0 : count)));
  return {
    requests: latencies.length,
    seconds,
    errors: failures + refused,
    statuses,
    latenciesMs: latencies.sort((a, b) => a - b),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
