import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { networkOf } from "../../shared/limits/address_limiter.ts";
import { createLimiters } from "../../shared/limits/create_limiters.ts";
import { type RunningProcess, startEndpoint, TOKEN } from "./harness/processes.ts";
import { type RecordingProxy, startRecordingProxy } from "./harness/recording_proxy.ts";

let endpoint: RunningProcess;
let proxy: RecordingProxy;
let nextAddress = 1;
let address: string;

beforeAll(async () => {
  endpoint = await startEndpoint();
  proxy = await startRecordingProxy(endpoint.url);
});
afterAll(async () => {
  await proxy?.close();
  await endpoint?.stop();
});
beforeEach(() => {
  address = `192.0.2.${nextAddress++}`;
  proxy.requests.length = 0;
});

const createAddresses = () => createLimiters({ url: proxy.url, token: TOKEN, log: () => {} }).addresses;

// Retried, because a machine that is busy with other tests may not hear from Redis in time.
describe("address limiter", { retry: 2 }, () => {
  test("a request refused without I/O is counted without I/O; the 61st is denied", () => {
    const addresses = createAddresses();
    const decisions = Array.from({ length: 61 }, () => addresses.takeLocally(address));
    expect(decisions.map(({ allowed }) => allowed)).toEqual([...Array(60).fill(true), false]);
    expect(proxy.requests).toHaveLength(0);
  });

  test("a looked-up key is counted here and in Redis, so another process knows of it", async () => {
    const [here, there] = [createAddresses(), createAddresses()];
    await here.take(address);
    expect(here.peek(address)).toMatchObject({ limit: 60, remaining: 59 });
    expect(there.peek(address)).toMatchObject({ remaining: 60 });
    expect(await there.take(address)).toMatchObject({ remaining: 58 });
  });

  test("both kinds of request add up", async () => {
    const addresses = createAddresses();
    for (let i = 0; i < 30; i++) addresses.takeLocally(address);
    expect(await addresses.take(address)).toMatchObject({ allowed: true, remaining: 29 });
    for (let i = 0; i < 29; i++) addresses.takeLocally(address);
    expect(await addresses.take(address)).toMatchObject({ allowed: false, remaining: 0 });
  });

  test("a peek costs nothing and asks nobody", () => {
    const addresses = createAddresses();
    for (let i = 0; i < 100; i++) addresses.peek(address);
    expect(addresses.peek(address)).toMatchObject({ allowed: true, remaining: 60 });
    expect(proxy.requests).toHaveLength(0);
  });
});

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:0db8:0001:0002::1", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["x".repeat(500), "x".repeat(64)],
])("%s is counted as %s", (text, network) => {
  expect(networkOf(text)).toBe(network);
});
