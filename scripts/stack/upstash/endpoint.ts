import { parseCommand, type RedisBackend, RedisUnavailable, type Reply } from "./backend.ts";
import { createMemoryBackend } from "./memory_backend.ts";
import { createRedisBackend } from "./redis_backend.ts";
import { encodeReply } from "./reply_encoding.ts";

export interface UpstashEndpointOptions {
  /** TCP port on 127.0.0.1; 0 takes a free one. */
  port: number;
  /** The bearer token that every request must carry. */
  token: string;
  redis: { kind: "url"; url: string } | { kind: "memory" };
}

export interface UpstashEndpoint {
  url: string;
  close(): Promise<void>;
}

/**
 * Serves a Redis over the Upstash REST protocol: `POST /`, `/pipeline`, `/multi-exec` and the path form `/set/k/v`.
 * Throws when the port is taken or Redis can't be reached. Source: upstash.com/docs/redis/features/restapi.
 */
export async function startUpstashEndpoint(options: UpstashEndpointOptions): Promise<UpstashEndpoint> {
  const { redis, token } = options;
  const backend = redis.kind === "url" ? await createRedisBackend(redis.url) : createMemoryBackend();
  const server = Deno.serve({ hostname: "127.0.0.1", port: options.port, onListen: () => {} }, (request) =>
    answer(request, backend, token),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    async close() {
      await server.shutdown();
      await backend.close();
    },
  };
}

async function answer(request: Request, backend: RedisBackend, token: string): Promise<Response> {
  // Slicing instead of `new URL`: this runs for every limited request of the API.
  const [path, query] = split(request.url.slice(request.url.indexOf("/", "http://".length)), "?");
  if (!isAuthorized(request, query, token)) return failure(401, "Unauthorized");
  const base64 = request.headers.get("upstash-encoding") === "base64";
  try {
    switch (path) {
      case "/pipeline":
        return Response.json(
          await Promise.all(commandsOf(await request.json()).map((json) => attempt(json, backend, base64))),
        );
      case "/multi-exec": {
        const replies = await backend.transaction(commandsOf(await request.json()).map(parseCommand));
        return Response.json(replies.map((reply) => outcome(reply, base64)));
      }
      default: {
        const json = path === "/" ? await request.json() : await commandOfPath(path, query, request);
        return Response.json({ result: encodeReply(await backend.run(parseCommand(json)), base64) });
      }
    }
  } catch (error) {
    if (error instanceof RedisUnavailable) return failure(503, error.message);
    return failure(400, error instanceof SyntaxError ? "ERR failed to parse request" : messageOf(error));
  }
}

function isAuthorized(request: Request, query: string, token: string): boolean {
  return (
    request.headers.get("authorization") === `Bearer ${token}` ||
    (query !== "" && new URLSearchParams(query).get("_token") === token)
  );
}

/** A command of a pipeline fails alone, inside the 200 of the whole. */
async function attempt(json: unknown, backend: RedisBackend, base64: boolean): Promise<unknown> {
  try {
    return outcome(await backend.run(parseCommand(json)), base64);
  } catch (error) {
    return { error: messageOf(error) };
  }
}

function outcome(reply: Reply | Error, base64: boolean): unknown {
  return reply instanceof Error ? { error: reply.message } : { result: encodeReply(reply, base64) };
}

function commandsOf(json: unknown): unknown[] {
  if (!Array.isArray(json) || json.length === 0) throw new Error("ERR failed to parse pipeline request");
  return json;
}

/** `/set/k/v?EX=100` is SET k v EX 100; the body of a POST is one more argument before the query's. */
async function commandOfPath(path: string, query: string, request: Request): Promise<string[]> {
  const options = [...new URLSearchParams(query)].filter(([name]) => name !== "_token").flat();
  const body = await request.text();
  return [...path.slice(1).split("/").map(decodeURIComponent), ...(body ? [body] : []), ...options.filter(Boolean)];
}

function failure(status: number, error: string): Response {
  return Response.json({ error }, { status });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
