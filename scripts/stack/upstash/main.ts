/**
 * The Upstash endpoint as a process of its own: `deno run -A --node-modules-dir=manual scripts/stack/upstash/main.ts`.
 * Environment: PORT, TOKEN, and REDIS_URL (unset: in memory). Prints `ready` once it answers; ends on SIGTERM or SIGINT.
 */
import { startUpstashEndpoint, type UpstashEndpoint } from "./endpoint.ts";

const port = Number(Deno.env.get("PORT"));
const token = Deno.env.get("TOKEN");
const url = Deno.env.get("REDIS_URL");
if (!Number.isInteger(port) || port <= 0 || !token) {
  console.error("PORT and TOKEN must be set");
  Deno.exit(2);
}

let endpoint: UpstashEndpoint;
try {
  endpoint = await startUpstashEndpoint({ port, token, redis: url ? { kind: "url", url } : { kind: "memory" } });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.addSignalListener(signal, async () => {
    await endpoint.close();
    Deno.exit(0);
  });
}
console.log("ready");
