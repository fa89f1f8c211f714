import { Redis } from "ioredis";
import IoredisMock from "ioredis-mock";
import type { Command, RedisBackend, Reply } from "./backend.ts";
import { createMemoryKeyspace } from "./memory_keyspace.ts";
import { nativeScript } from "./native_scripts.ts";
import { sha1, stripShebang } from "./script_shebang.ts";

const KNOWN_COMMANDS = new Set(new Redis({ lazyConnect: true }).getBuiltinCommands());

/** ioredis-mock as a table of commands by their lower-case names. */
type Mock = { eval: MockCommand } & Record<string, MockCommand | undefined>;
type MockCommand = (...args: string[]) => Promise<Reply>;

/**
 * A Redis in this process's memory: ioredis-mock, except for the scripts of `@upstash/ratelimit`. ioredis-mock starts a
 * Lua machine and parses the script again on every call, which costs milliseconds; the native ones cost microseconds.
 */
export function createMemoryBackend(): RedisBackend {
  // ioredis-mock shares the data of equal hosts within a process; each backend wants its own.
  const redis = new IoredisMock({ host: crypto.randomUUID(), port: 1 });
  const mock = redis as unknown as Mock;
  const keyspace = createMemoryKeyspace(redis);
  const scripts = new Map<string, string>();

  const run = async ([givenName, ...args]: Command): Promise<Reply> => {
    const name = givenName.toLowerCase();
    switch (name) {
      case "eval":
      case "eval_ro":
        return runScript(load(String(args[0])), args.slice(1));
      case "evalsha":
      case "evalsha_ro":
        return runScript(String(args[0]), args.slice(1));
      case "script":
        return manageScripts(String(args[0]).toLowerCase(), args.slice(1).map(String));
      case "flushall":
      case "flushdb":
        return keyspace.clear(); // ioredis-mock's own throws.
      default: {
        const execute = KNOWN_COMMANDS.has(name) ? mock[name] : undefined;
        if (!execute) throw new Error(`ERR unknown command '${givenName}'`);
        return execute.call(redis, ...args.map(String));
      }
    }
  };

  const load = (script: string): string => {
    const sha = sha1(script);
    scripts.set(sha, stripShebang(script));
    return sha;
  };

  const runScript = async (sha: string, [keyCount, ...operands]: (string | number)[]): Promise<Reply> => {
    const script = scripts.get(sha);
    if (script === undefined) throw new Error("NOSCRIPT No matching script. Please use EVAL.");
    const native = nativeScript(sha, Number(keyCount));
    if (native)
      return native(
        keyspace,
        operands.slice(0, Number(keyCount)).map(String),
        operands.slice(Number(keyCount)).map(Number),
      );
    return luaReply(await mock.eval(script, String(keyCount), ...operands.map(String)));
  };

  const manageScripts = (subcommand: string, args: string[]): Reply => {
    if (subcommand === "load" && args[0] !== undefined) return load(args[0]);
    if (subcommand === "exists") return args.map((sha) => (scripts.has(sha) ? 1 : 0));
    if (subcommand === "flush") scripts.clear();
    else throw new Error(`ERR unknown subcommand '${subcommand}'. Try SCRIPT HELP.`);
    return "OK";
  };

  return {
    run,
    async transaction(commands) {
      const isKnown = ([name]: Command) => KNOWN_COMMANDS.has(name.toLowerCase());
      if (!commands.every(isKnown)) throw new Error("EXECABORT Transaction discarded because of previous errors.");
      // ioredis-mock carries a command out before it returns the promise, so calls within one tick are one transaction.
      const settled = await Promise.allSettled(commands.map(run));
      return settled.map((result) => (result.status === "fulfilled" ? result.value : result.reason));
    },
    async close() {
      redis.disconnect();
    },
  };
}

/** Redis cuts off the fraction of a number that a script returns, and answers false as null and true as 1. */
function luaReply(reply: Reply): Reply {
  if (Array.isArray(reply)) return reply.map(luaReply);
  if (typeof reply === "boolean") return reply ? 1 : null;
  return typeof reply === "number" ? Math.trunc(reply) : reply;
}
