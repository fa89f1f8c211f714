// The load generator, in a process of its own so that its work never waits for the bench's. Reads an order a line, as JSON:
// {url, connections, amount, method, headers, requests}; answers each with a line.

import { randomBytes } from "node:crypto";
import process from "node:process";
import { createInterface } from "node:readline";
import autocannon from "autocannon";

const run = randomBytes(6).toString("hex");
let serial = 0;

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await carryOut(JSON.parse(line)))}\n`);

async function carryOut({ url, connections, amount, method, headers, requests }) {
  const setupRequest = (request) => {
    serial += 1;
    const { path, body } = requests[serial % requests.length];
    request.path = path;
    // {unique} in a body becomes text that no request has had before.
    if (body !== undefined) request.body = body.replaceAll("{unique}", `${run}-${serial}`);
    return request;
  };
  const latencies = [];
  const statuses = {};
  const startedAt = performance.now();
  let endedAt = startedAt;
  const instance = autocannon({
    url,
    connections,
    amount,
    method,
    headers,
    timeout: 30,
    sampleInt: 20, // How often it looks whether it is done.
    requests: [{ method, path: requests[0].path, headers, setupRequest }],
  });
  instance.on("response", (_client, status, _bytes, milliseconds) => {
    endedAt = performance.now();
    statuses[status] = (statuses[status] ?? 0) + 1;
    latencies.push(Math.round(milliseconds * 1000) / 1000);
  });
  const { errors, timeouts } = await instance;
  return { seconds: (endedAt - startedAt) / 1000, latencies, statuses, failures: errors + timeouts };
}
