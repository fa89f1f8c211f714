import { createHash } from "node:crypto";
import type { Command, Reply } from "./backend.ts";

/** Translates script commands between clients that use Upstash's `#!lua flags=…` line and a stock Redis. */
export interface ScriptTranslator {
  toRedis(command: Command): Command;
  /** The reply to `command`, with the SHA that the client expects from SCRIPT LOAD. */
  fromRedis(command: Command, reply: Reply): Reply;
}

/**
 * Stock Redis refuses the flag `allow-key-locking` that `@upstash/ratelimit` ≥ 2.1 puts in the first line, so scripts
 * are stored without that line and each original SHA is remembered with the SHA of what is stored. After a restart an
 * EVALSHA is unknown again, Redis answers NOSCRIPT, and the client sends EVAL.
 */
export function createScriptTranslator(): ScriptTranslator {
  const storedShas = new Map<string, string>();

  const strip = (script: string): string => {
    const stripped = stripShebang(script);
    if (stripped !== script) storedShas.set(sha1(script), sha1(stripped));
    return stripped;
  };
  const storedSha = (sha: string | number) => storedShas.get(String(sha)) ?? sha;

  return {
    toRedis(command) {
      const [name, first, second, ...rest] = command;
      switch (String(name).toLowerCase()) {
        case "evalsha":
        case "evalsha_ro":
          return storedShas.has(String(first)) ? [name, storedSha(first), ...command.slice(2)] : command;
        case "eval":
        case "eval_ro":
          return first === undefined ? command : [name, strip(String(first)), ...command.slice(2)];
        case "script":
          if (isScript(command, "load") && second !== undefined) return [name, first, strip(String(second)), ...rest];
          return isScript(command, "exists") ? [name, first, ...command.slice(2).map(storedSha)] : command;
        default:
          return command;
      }
    },
    fromRedis(command, reply) {
      return isScript(command, "load") && !(reply instanceof Error) ? sha1(String(command[2])) : reply;
    },
  };
}

/** The script without its `#!` line. The line's end stays, so that line numbers in error messages are still right. */
export function stripShebang(script: string): string {
  return script.replace(/^#![^\n]*/, "");
}

/** The SHA by which Redis knows a script, as 40 lower-case hex digits. */
export function sha1(script: string): string {
  return createHash("sha1").update(script).digest("hex");
}

function isScript(command: Command, subcommand: string): boolean {
  return String(command[0]).toLowerCase() === "script" && String(command[1]).toLowerCase() === subcommand;
}
