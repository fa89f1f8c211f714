import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { stack } from "../harness/stack.ts";

const gateway = new URL(stack().apiUrl);
const isUp = async () => (await fetch(`${gateway.href}/v1/health`, { signal: AbortSignal.timeout(5_000) })).status;

function open(): Socket {
  return connect(Number(gateway.port), gateway.hostname).on("error", () => {});
}

test("clients that reset their connection before it is accepted end nobody else's", async () => {
  for (let round = 0; round < 5; round++) {
    const sockets = Array.from({ length: 40 }, open);
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    for (const socket of sockets) socket.resetAndDestroy();
    expect(await isUp()).toBe(200);
  }
});

test("a connection that resets in the middle of a head, of a body or of an answer ends alone", async () => {
  const starts = [
    "GET /functions/v1/api/v1/health HT",
    "POST /functions/v1/api/v1/contacts HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
    "GET /functions/v1/api/v1/health HTTP/1.1\r\nhost: x\r\n\r\n",
  ];
  for (const start of starts) {
    const sockets = Array.from({ length: 20 }, open);
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.write(start, resolve))));
    for (const socket of sockets) socket.resetAndDestroy();
    expect(await isUp()).toBe(200);
  }
});

test("a head that comes a byte now and then is waited for some seconds, not for ever", async () => {
  const socket = open();
  await once(socket, "connect");
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.write("GET /functions/v1/api/v1/health HTTP/1.1\r\n");
  const drip = setInterval(() => socket.write("x"), 500);
  try {
    expect(await isUp()).toBe(200);
    await closed;
  } finally {
    clearInterval(drip);
    socket.destroy();
  }
}, 20_000);

test("http is answered 301 to https, with the envelope", async () => {
  const response = await fetch(`${gateway.href}/v1/contacts?limit=1`, {
    redirect: "manual",
    headers: { "x-forwarded-proto": "http" },
  });
  const body = await response.json();
  expect([response.status, response.headers.get("location")]).toEqual([
    301,
    `${gateway.href.replace("http:", "https:")}/v1/contacts?limit=1`,
  ]);
  expect(body).toMatchObject({ success: false, error: { code: "https_required" } });
});

test("HEAD of an export has no length, as one of 0 would be a lie", async () => {
  const response = await fetch(`${gateway.href}/v1/contacts/export`, {
    method: "HEAD",
    headers: { authorization: `Bearer ${stack().keys["KEY_STANDARD"]}` },
  });
  expect([response.status, response.headers.get("content-length")]).toEqual([200, null]);
});
