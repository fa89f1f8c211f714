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
      if (first === undefined) return command;
      switch (name.toLowerCase()) {
        case "evalsha":
        case "evalsha_ro":
          return replaceArgument(command, 0, storedSha(first));
        case "eval":
        case "eval_ro":
          return replaceArgument(command, 0, strip(String(first)));
        case "script":
          if (second === undefined) return command;
          if (isScriptLoad(command)) return replaceArgument(command, 1, strip(String(second)));
          // Whatever else SCRIPT can do takes words, which are no SHAs and stay as they are.
          return [name, first, ...[second, ...rest].map(storedSha)];
        default:
          return command;
      }
    },
    fromRedis(command, reply) {
      return isScriptLoad(command) && !(reply instanceof Error) ? sha1(String(command[2])) : reply;
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

function isScriptLoad([name, subcommand]: Command): boolean {
  return name.toLowerCase() === "script" && String(subcommand).toLowerCase() === "load";
}

function replaceArgument([name, ...args]: Command, index: number, argument: string | number): Command {
  return [name, ...args.with(index, argument)];
}
