import { Command as IoredisCommand, Redis } from "ioredis";
import { type RedisBackend, RedisUnavailable } from "./backend.ts";
import { createScriptTranslator } from "./script_shebang.ts";

const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT_EVERY_MS = 200;

// ioredis makes an object of HGETALL; Upstash answers what Redis does, a flat array.
IoredisCommand.setReplyTransformer("hgetall", (reply: unknown) => reply);

/**
 * One pipelined connection to a real Redis server. While it is broken commands fail at once instead of queueing, and it
 * reconnects every 200 ms. Throws when the server can't be reached within 3 s at the start.
 */
export async function createRedisBackend(url: string): Promise<RedisBackend> {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: () => RECONNECT_EVERY_MS,
  });
  redis.on("error", () => {}); // Every failed command says so itself; unheard, this event would end the process.
  await connect(redis);
  const scripts = createScriptTranslator();

  return {
    async run(command) {
      const [name, ...args] = scripts.toRedis(command);
      try {
        return scripts.fromRedis(command, await redis.callBuffer(name, ...args));
      } catch (error) {
        throw serverError(error);
      }
    },
    async transaction(commands) {
      const multi = redis.multi();
      for (const command of commands) {
        const [name, ...args] = scripts.toRedis(command);
        multi.callBuffer(name, ...args);
      }
      try {
        const results = (await multi.exec()) ?? [];
        return commands.map((command, index) => {
          const [error, reply] = results[index] ?? [];
          return error ?? scripts.fromRedis(command, reply);
        });
      } catch (error) {
        throw serverError(error);
      }
    },
    async close() {
      redis.disconnect();
    },
  };
}

async function connect(redis: Redis): Promise<void> {
  const { host, port } = redis.options;
  const deadline = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error("timeout")), CONNECT_TIMEOUT_MS);
    redis.once("ready", () => clearTimeout(timer));
  });
  try {
    await Promise.race([redis.connect(), deadline]);
  } catch (cause) {
    redis.disconnect();
    // Host and port only: the URL may hold a password.
    throw new Error(`Redis at ${host}:${port} can't be reached`, { cause });
  }
}

function serverError(error: unknown): Error {
  const isReply = error instanceof Error && error.name === "ReplyError";
  return isReply ? error : new RedisUnavailable();
}
