import type { Exchange } from "./exchange.ts";

export type Level = "debug" | "info" | "warn" | "error";

/** Writes one JSON line per event. Fields must never hold a key, a token, a body or a library's error text. */
export type Log = (level: Level, event: string, fields?: Record<string, unknown>) => void;

const LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

// The platform keeps 100 log events per 10 s and worker; errors must not drown in requests.
const LINES_PER_WINDOW = 90;
const WINDOW_MS = 10_000;

/** A log that drops the least important lines once the platform would drop any line, and says how many. */
export function createLog(threshold: (typeof LEVELS)[number], write: (line: string) => void = console.log): Log {
  let windowStart = 0;
  let lines = 0;
  let dropped = 0;

  return (level, event, fields = {}) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(threshold)) return;
    const now = Date.now();
    if (now - windowStart >= WINDOW_MS) {
      if (dropped > 0) write(JSON.stringify({ level: "warn", event: "log_lines_dropped", count: dropped }));
      windowStart = now;
      lines = 0;
      dropped = 0;
    }
    const reserve = level === "error" || level === "warn" ? 0 : LINES_PER_WINDOW / 3;
    if (lines >= LINES_PER_WINDOW - reserve) {
      dropped += 1;
      return;
    }
    lines += 1;
    write(JSON.stringify({ level, event, time: new Date(now).toISOString(), ...fields }));
  };
}

/** One line per request. */
export function logRequest(exchange: Exchange, status: number): void {
  const { services, request, requestId, receivedAt, route, principal } = exchange;
  services.log(status >= 500 ? "error" : "info", "request", {
    request_id: requestId,
    method: request.method,
    operation: route?.operation ?? null,
    status,
    milliseconds: Date.now() - receivedAt.getTime(),
    workspace_id: principal?.workspaceId ?? null,
    key_id: principal?.kind === "api_key" ? principal.keyId : null,
  });
}
