import process from "node:process";

/** What a script is for and which arguments it takes. */
export interface Usage {
  summary: string;
  /** A call that works: `npm run seed -- --contacts 1000`. */
  example: string;
  /** By name, as `--data-dir`: the word for its value (a switch has none), and what it means. */
  options: Record<string, { value?: string; help: string }>;
}

/** By name: the value that was given, `true` for a switch. */
export type Given = Record<string, string | true | undefined>;

/** A script's arguments. Asked for help it prints that and ends with 0, given what it can't take it says so and ends with 1. */
export function argumentsOrHelp(usage: Usage, args: readonly string[] = process.argv.slice(2)): Given {
  if (args.some((argument) => argument === "--help" || argument === "-h")) {
    console.log(helpText(usage));
    process.exit(0);
  }
  try {
    return readArguments(usage, args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

/** The whole number, from 1, that an argument was given; `fallback` when it was not. Given another value, says so and ends with 1. */
export function countOrExit(given: Given, name: string, fallback: number): number {
  const count = Number(given[name] ?? fallback);
  if (Number.isInteger(count) && count >= 1) return count;
  console.error(`${name} takes a whole number from 1, not "${given[name]}".`);
  process.exit(1);
}

/**
 * Reads `--name value`, `--name=value` and `--switch`.
 * @throws with the arguments there are, when one is unknown, is given twice or lacks its value
 */
function readArguments({ example, options }: Usage, args: readonly string[]): Given {
  const given: Given = {};
  for (let place = 0; place < args.length; place++) {
    const argument = args[place] ?? "";
    const [, name = "", joined] = /^(--[^=]+)(?:=(.*))?$/s.exec(argument) ?? [];
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) {
      const names = [...Object.keys(options), "--help"];
      throw new Error(`Unknown argument ${argument}. Allowed: ${names.join(", ")}. For example: ${example}`);
    }
    if (given[name] !== undefined) throw new Error(`${name} was given twice.`);
    if (option.value === undefined) {
      if (joined !== undefined) throw new Error(`${name} takes no value.`);
      given[name] = true;
      continue;
    }
    const value = joined ?? args[++place] ?? "";
    if (value === "" || (joined === undefined && value.startsWith("--"))) {
      throw new Error(`${name} needs a value: ${name} ${option.value} (${option.help}).`);
    }
    given[name] = value;
  }
  return given;
}

function helpText({ summary, example, options }: Usage): string {
  const rows = Object.entries(options).map(([name, { value = "", help }]) => [`${name} ${value}`, help] as const);
  const width = Math.max(...rows.map(([left]) => left.length));
  return [summary, "", `  ${example}`, "", ...rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`)].join(
    "\n",
  );
}
