import { createHash } from "node:crypto";
import { Redis } from "@upstash/redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BACKENDS, type RunningProcess, startEndpoint, startRedis, TOKEN } from "./harness/processes.ts";

const SCRIPT = "#!lua flags=allow-key-locking\nreturn {KEYS[1], ARGV[1], 7, false}";
const SHA = createHash("sha1").update(SCRIPT).digest("hex");

for (const kind of BACKENDS) {
  describe(`Upstash protocol over ${kind}`, () => {
    let redisServer: RunningProcess | undefined;
    let endpoint: RunningProcess;
    let client: Redis;

    beforeAll(async () => {
      redisServer = kind === "redis" ? await startRedis() : undefined;
      endpoint = await startEndpoint(redisServer?.url);
      client = new Redis({ url: endpoint.url, token: TOKEN, enableTelemetry: false });
    });
    afterAll(async () => {
      await endpoint?.stop();
      await redisServer?.stop();
    });

    const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
      const response = await fetch(endpoint.url + path, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}`, ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    };

    test.each(["/", "/pipeline", "/multi-exec", "/get/k"])(
      "%s without the token is 401 in Upstash's shape",
      async (path) => {
        const answers = await Promise.all(
          ["", "Bearer wrong", TOKEN].map((authorization) => post(path, ["PING"], { authorization })),
        );
        for (const answer of answers) expect(answer).toEqual({ status: 401, body: { error: "Unauthorized" } });
      },
    );

    test("values come back through the client byte for byte, also those that look like base64", async () => {
      for (const value of ["abcd1234", "héllo ☃", "OK", "", "12", '{"a":1}']) {
        await client.set("value", value);
        expect((await post("/", ["GET", "value"])).body).toEqual({ result: value });
      }
      await client.set("value", "abcd1234");
      expect(await client.get("value")).toBe("abcd1234");
    });

    test("base64 covers strings and nested arrays, but not OK, numbers and null", async () => {
      const base64 = { "upstash-encoding": "base64" };
      expect((await post("/", ["SET", "k", "v"], base64)).body).toEqual({ result: "OK" });
      expect((await post("/", ["GET", "k"], base64)).body).toEqual({ result: "dg==" });
      expect((await post("/", ["GET", "absent"], base64)).body).toEqual({ result: null });
      expect((await post("/", ["EVAL", "return {'a', {'b', 3}}", 0], base64)).body).toEqual({
        result: ["YQ==", ["Yg==", 3]],
      });
      expect((await post("/", ["PING"], base64)).body).toEqual({ result: "UE9ORw==" });
    });

    test("a failed command is 4xx with {error} alone, and an {error} of its own in a pipeline", async () => {
      const single = await post("/", ["NOSUCH", "k"]);
      expect(single.status).toBe(400);
      expect(single.body.error).toMatch(/^ERR unknown command/);
      const piped = await post("/pipeline", [["SET", "s", "1"], ["NOSUCH"], ["INCR", "s"]]);
      expect(piped).toEqual({
        status: 200,
        body: [{ result: "OK" }, { error: expect.stringMatching(/^ERR/) }, { result: 2 }],
      });
    });

    test("a body that is no command is 400, never 500", async () => {
      const bodies = [
        ["/", "{"],
        ["/", "{}"],
        ["/", "[]"],
        ["/", "[[1]]"],
        ["/pipeline", "7"],
        ["/pipeline", "[]"],
        ["/multi-exec", "[1]"],
      ] as const;
      for (const [path, body] of bodies) {
        expect(await post(path, body)).toEqual({ status: 400, body: { error: expect.stringMatching(/^ERR/) } });
      }
    });

    test("multi-exec runs all commands or none", async () => {
      expect(
        (
          await post("/multi-exec", [
            ["SET", "m", 5],
            ["INCR", "m"],
            ["GET", "m"],
          ])
        ).body,
      ).toEqual([{ result: "OK" }, { result: 6 }, { result: "6" }]);
      const aborted = await post("/multi-exec", [["SET", "m", 9], ["NOSUCH"]]);
      expect(aborted).toEqual({ status: 400, body: { error: expect.stringMatching(/^EXECABORT/) } });
      expect((await post("/", ["GET", "m"])).body).toEqual({ result: "6" });
    });

    test("the path form runs a command", async () => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      await fetch(`${endpoint.url}/set/a%20b/c%2Fd?EX=100`, { headers });
      expect(await (await fetch(`${endpoint.url}/get/a%20b`, { headers })).json()).toEqual({ result: "c/d" });
      const ttl = await (await fetch(`${endpoint.url}/ttl/a%20b?_token=${TOKEN}`)).json();
      expect(ttl.result).toBeGreaterThan(90);
    });

    test("a command that would change the shared connection is refused", async () => {
      for (const name of ["MULTI", "subscribe", "BLPOP", "SELECT"])
        expect((await post("/", [name, "k"])).status).toBe(400);
    });

    test("a script with Upstash's first line is known by the SHA that the client computes", async () => {
      const evalsha = ["EVALSHA", SHA, 1, "k", "v"];
      expect((await post("/", evalsha)).body.error).toMatch(/^NOSCRIPT/);
      expect((await post("/", ["EVAL", SCRIPT, 1, "k", "v"])).body).toEqual({ result: ["k", "v", 7, null] });
      expect((await post("/", evalsha)).body).toEqual({ result: ["k", "v", 7, null] });
      expect((await post("/", ["SCRIPT", "LOAD", SCRIPT])).body).toEqual({ result: SHA });
      expect((await post("/", ["SCRIPT", "EXISTS", SHA, "0".repeat(40)])).body).toEqual({ result: [1, 0] });
      expect((await post("/", ["SCRIPT", "FLUSH"])).body).toEqual({ result: "OK" });
      expect((await post("/", evalsha)).body.error).toMatch(/^NOSCRIPT/);
    });

    test("hashes come back as the client expects them", async () => {
      await client.hset("h", { a: "1", b: "two" });
      expect(await client.hgetall("h")).toEqual({ a: 1, b: "two" });
    });
  });
}

describe.each(BACKENDS.filter((kind) => kind === "redis"))("Upstash endpoint whose %s goes away", () => {
  test("answers an error at once, and works again by itself when Redis is back", { retry: 2 }, async () => {
    let redis = await startRedis();
    const endpoint = await startEndpoint(redis.url);
    const ping = () =>
      fetch(endpoint.url, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}` },
        body: '["PING"]',
        signal: AbortSignal.timeout(2_000),
      });
    try {
      expect((await ping()).status).toBe(200);
      await redis.stop();
      const asked = performance.now();
      const down = await ping();
      expect(down.status).toBe(503);
      expect(await down.json()).toEqual({ error: "ERR Redis is unavailable" });
      expect(performance.now() - asked).toBeLessThan(200);
      redis = await startRedis(Number(new URL(redis.url).port));
      await expect.poll(async () => (await ping()).status, { timeout: 3_000 }).toBe(200);
    } finally {
      await endpoint.stop();
      await redis.stop();
    }
  });

  test("a wrong address is refused at the start, without the password", async () => {
    await expect(startEndpoint("redis://:secret@127.0.0.1:1")).rejects.toThrow(
      /Redis at 127\.0\.0\.1:1 can't be reached/,
    );
    await expect(startEndpoint("redis://:secret@127.0.0.1:1")).rejects.not.toThrow(/secret/);
  });
});
