/** A Redis command as JSON carries it: the name, then its arguments. */
export type Command = [name: string, ...args: (string | number)[]];

/** A status, bulk string (Buffer from a real server, string from memory), integer, null or array of these. */
export type Reply = unknown;

/** What the endpoint needs of a Redis: commands in, raw replies out. */
export interface RedisBackend {
  /** Runs one command; rejects with the server's error, or at once while the server can't be reached. */
  run(command: Command): Promise<Reply>;
  /** Runs commands as one MULTI/EXEC; a failed command is an Error in its place, a discarded transaction rejects. */
  transaction(commands: Command[]): Promise<(Reply | Error)[]>;
  close(): Promise<void>;
}

/** The server can't be reached; anything else that `run` rejects with is the server's own answer. */
export class RedisUnavailable extends Error {
  constructor() {
    super("ERR Redis is unavailable");
    this.name = "RedisUnavailable";
  }
}

// One connection serves every request, so a command that blocks it or changes its state can't be let through.
const CONNECTION_COMMANDS = new Set(
  (
    "multi exec discard watch unwatch subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe monitor " +
    "select auth hello reset quit client shutdown debug sync psync replicaof slaveof failover wait waitaof " +
    "blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop"
  ).split(" "),
);

/** Checks that JSON from a client is a command that may be run; throws what Upstash answers when it isn't. */
export function parseCommand(json: unknown): Command {
  if (!Array.isArray(json) || json.length === 0) throw new Error("ERR failed to parse command");
  const [name, ...args] = json;
  if (typeof name !== "string") throw new Error("ERR failed to parse command");
  if (CONNECTION_COMMANDS.has(name.toLowerCase())) throw new Error(`ERR Command is not available: '${name}'`);
  return [name, ...args.map((argument) => (isStructured(argument) ? JSON.stringify(argument) : argument))];
}

function isStructured(argument: unknown): boolean {
  return typeof argument === "object" || typeof argument === "boolean";
}
