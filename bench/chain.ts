// The bare chain (bare_chain.ts) as a process, and the calls to PostgREST that it is given to make.
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { answers } from "../scripts/stack/child.ts";
import { startFunction } from "../scripts/stack/function.ts";
import { freePort } from "../scripts/stack/ports.ts";
import { DENO, ROOT } from "../scripts/stack/settings.ts";
import type { Bench } from "./bench.ts";
import type { Target } from "./load.ts";
import { restHeaders } from "./scenarios.ts";

/** Starts the chain. Answers where it listens: it takes what PostgREST takes. */
export async function startBareChain({ info, atEnd }: Bench): Promise<string> {
  const port = await freePort();
  const child = spawn(
    DENO,
    ["run", "-A", "--config", join(ROOT, "deno.json"), "--node-modules-dir=manual", join(ROOT, "bench/bare_chain.ts")],
    {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        PORT: String(port),
        REST_URL: info.restUrl,
        REDIS_URL: info.upstashUrl,
        REDIS_TOKEN: info.functionEnv["UPSTASH_REDIS_REST_TOKEN"],
      },
    },
  );
  atEnd(() => void child.kill("SIGKILL"));
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await answers(`${url}/`).catch(() => false)); tries++) {
    if (tries > 200) throw new Error("The bare chain did not start.");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return url;
}

/** For targets of the API the calls to PostgREST that it makes of them. @throws when one makes another number of calls than one */
export async function callsBehind<Name extends string>(
  { info, dataDir, atEnd }: Bench,
  targets: Record<Name, Target>,
  jwtOf: (name: Name) => string,
): Promise<Record<Name, Target>> {
  let calls: { method: "GET" | "POST"; path: string; body?: string }[] = [];
  const recorder = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const method = request.method === "GET" ? "GET" : "POST";
    const sent = { method, ...(method === "POST" && { body: await request.text() }) } as const;
    // A key is looked up again now and then, whatever is asked.
    if (pathname !== "/rpc/find_api_key") calls.push({ path: pathname + search, ...sent });
    return fetch(info.restUrl + pathname + search, { headers: request.headers, ...sent });
  });
  const env = { ...info.functionEnv, REST_URL: `http://127.0.0.1:${recorder.addr.port}` };
  const recorded = await startFunction({ dataDir, port: await freePort(), env, name: "recorded" });
  atEnd(() => recorded.child.stop());
  async function ask({ headers }: Target, path: string): Promise<void> {
    const response = await fetch(`${recorded.url}/v1${path}`, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${path} answers ${response.status}.`);
  }
  const found = {} as Record<Name, Target>;
  for (const [name, target] of Object.entries(targets) as [Name, Target][]) {
    // What the first request asks for beside, it remembers.
    await ask(target, target.requests[0]?.path ?? "");
    calls = [];
    for (const { path } of target.requests) await ask(target, path);
    if (calls.length !== target.requests.length)
      throw new Error(`${name}: ${calls.length} calls of ${target.requests.length} requests.`);
    found[name] = {
      url: info.restUrl,
      method: calls[0]?.method ?? "POST",
      headers: restHeaders(jwtOf(name)),
      requests: calls,
    };
    calls = [];
  }
  await recorded.child.stop();
  await recorder.shutdown();
  return found;
}
