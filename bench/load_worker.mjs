// One measurement, in a process of its own so that the load generator's work never waits for the bench's.
// Reads {url, connections, seconds, method, headers, paths, body} as JSON from stdin; answers JSON on stdout.

import { randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import autocannon from "autocannon";

const { url, connections, seconds, amount, method, headers, paths, body } = JSON.parse(await text(process.stdin));
const run = randomBytes(6).toString("hex");
let serial = 0;

// {unique} in a body becomes text that no request has had before.
const setupRequest = (request) => {
  serial += 1;
  request.path = paths[serial % paths.length];
  if (body !== undefined) request.body = body.replaceAll("{unique}", `${run}-${serial}`);
  return request;
};

const latencies = [];
const statuses = {};
const startedAt = performance.now();
const instance = autocannon({
  url,
  connections,
  ...(amount ? { amount } : { duration: seconds }),
  method,
  headers,
  timeout: 30,
  requests: [{ method, path: paths[0], headers, setupRequest }],
});
instance.on("response", (_client, status, _bytes, milliseconds) => {
  statuses[status] = (statuses[status] ?? 0) + 1;
  latencies.push(Math.round(milliseconds * 1000) / 1000);
});
const result = await instance;
process.stdout.write(
  JSON.stringify({
    seconds: (performance.now() - startedAt) / 1000,
    latencies,
    statuses,
    failures: result.errors + result.timeouts,
  }),
);
