import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../scripts/stack/settings.ts";

/** A kind of request to one server. Paths are taken in turn. */
export interface Target {
  /** Base URL that the paths are appended to. */
  url: string;
  method?: "GET" | "POST" | "PATCH";
  paths: readonly string[];
  headers: Record<string, string>;
  /** `{unique}` becomes text that no request has had before. */
  body?: string;
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

/** Loads a target with `CONNECTIONS` clients, each sending its next request when it has its answer. */
export async function load(
  target: Target,
  { seconds, amount }: { seconds?: number; amount?: number },
): Promise<Measurement> {
  const { url, method = "GET", paths, headers, body } = target;
  const base = new URL(url);
  const prefix = base.pathname === "/" ? "" : base.pathname;
  const worker = spawn("node", [join(ROOT, "bench/load_worker.mjs")], { stdio: ["pipe", "pipe", "inherit"] });
  worker.stdin.end(
    JSON.stringify({
      url: base.origin,
      connections: CONNECTIONS,
      seconds,
      amount,
      method,
      headers,
      paths: paths.map((path) => prefix + path),
      body,
    }),
  );
  let output = "";
  for await (const chunk of worker.stdout) output += chunk;
  const answer = JSON.parse(output) as {
    seconds: number;
    latencies: number[];
    statuses: Record<string, number>;
    failures: number;
  };
  return measurement(answer.latencies, answer.seconds, answer.statuses, answer.failures);
}

/** Sends requests one after the other, as one client would, and times each. */
export async function single(target: Target, count: number, maxSeconds = 10): Promise<Measurement> {
  const { url, method = "GET", paths, headers, body } = target;
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  const startedAt = performance.now();
  for (let i = 0; i < count && performance.now() - startedAt < maxSeconds * 1000; i++) {
    const sentAt = performance.now();
    const response = await fetch(url + paths[i % paths.length], {
      method,
      headers,
      ...(body !== undefined && { body: body.replaceAll("{unique}", `${sentAt}-${i}`.replace(".", "-")) }),
    });
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
