import { request as httpRequest } from "node:http";
import process from "node:process";
import { expect, test } from "vitest";
import { fuzz } from "../harness/fuzz.ts";
import { stack } from "../harness/stack.ts";

// `npm run fuzz` sets these; a run of all tests takes a short one, always the same.
const REQUESTS = Number(process.env["FUZZ_REQUESTS"] ?? 2_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const FROM = Number(process.env["FUZZ_FROM"] ?? 0);
const isOnItsOwn = process.env["FUZZ_SEED"] !== undefined;
/** Of fewer requests some statuses may be missing by chance. */
const ENOUGH = 2_000;

test(`no request, however strange, breaks what every answer promises: ${REQUESTS} of seed ${SEED}`, {
  timeout: 3_600_000,
}, async () => {
  const { faults, statuses } = await fuzz({
    seed: SEED,
    from: FROM,
    requests: REQUESTS,
    ...(isOnItsOwn && { progress: (line) => process.stderr.write(`› ${line}\n`) }),
  });
  const replay = `npm run fuzz -- --seed ${SEED} --from ${faults[0]?.number}`;
  expect(
    new Set(faults.map(({ what }) => what)),
    `replay: ${replay}\n${JSON.stringify(faults.slice(0, 40), null, 1)}`,
  ).toEqual(new Set());
  // The requests reach every layer: many succeed, the others are refused for reasons of their own.
  const missing = [200, 201, 207, 400, 401, 404, 405, 409, 422].filter((status) => !statuses.has(status));
  expect(REQUESTS < ENOUGH ? [] : missing).toEqual([]);
});

/** The status of a health check with such a Host header. */
function statusFor(host: string): Promise<number | undefined> {
  const { hostname, port, pathname } = new URL(stack().functionUrl);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ hostname, port, path: `${pathname}/v1/health`, headers: { host } }, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode);
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

test.each(["a b", "x:99999", "[::1", "Bearer x"])(
  "a Host header that can't be (%j) is the client's error",
  async (host) => {
    expect(await statusFor(host)).toBe(400);
  },
);
