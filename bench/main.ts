// npm run bench: the one entry. Each part measures by itself; what it measures stands at the head of its file.
import process from "node:process";
import { argumentsOrHelp, countOrExit } from "../scripts/arguments.ts";

// A program of its own, with a help of its own: two functions, and a workspace that is not kept in check.
if (process.argv.includes("--attacks")) await import("./attacks.ts");
else await measure();

async function measure(): Promise<void> {
  const given = argumentsOrHelp({
    summary: "Measures this API beside bare PostgREST, a chain of the same hops, and another checkout of itself.",
    example: "npm run bench -- --quick",
    options: {
      "--quick": { help: "a short run, up to 100,000 contacts" },
      "--contacts": { help: "only the contacts: reads, writes, growth, search, start and memory" },
      "--book": { help: "only the whole book of business" },
      "--events": { help: "only events and webhooks" },
      "--rows": { value: "COUNT", help: "records of each resource in the largest book; 1000000 when absent" },
      "--against": { value: "DIR", help: "instead: this checkout beside another one, which has its own node_modules" },
      "--only": { value: "TEXT", help: "with --against: the requests whose name has it" },
      "--attacks": { help: "instead: what one workspace can do to another; has a help of its own" },
    },
  });
  const quick = given["--quick"] !== undefined;
  const largest = countOrExit(given, "--rows", 1_000_000);
  const { "--against": against, "--only": only = "" } = given;
  const { compareCheckouts } = await import("./against.ts");
  const { runBench } = await import("./bench.ts");
  const { runToEnd } = await import("./run_to_end.ts");
  await runToEnd((atEnd) =>
    typeof against === "string"
      ? compareCheckouts(against, { quick, only: String(only) }, atEnd)
      : runBench(
          {
            quick,
            contacts: given["--book"] === undefined && given["--events"] === undefined,
            book: given["--contacts"] === undefined && given["--events"] === undefined ? largest : undefined,
            events: given["--contacts"] === undefined && given["--book"] === undefined,
          },
          atEnd,
        ),
  );
}
