// The same three hops with none of our work in them: Hono, one Redis command over HTTP, one request to
// PostgREST, each after the other. What the design costs before it does anything.
import { Hono } from "hono";

const { REST_URL, REDIS_URL, REDIS_TOKEN, PORT } = Deno.env.toObject();
const PASSED_ON = ["authorization", "accept-profile", "content-profile", "content-type", "prefer"];
const app = new Hono();

app.all("*", async ({ req }) => {
  await (
    await fetch(REDIS_URL ?? "", {
      method: "POST",
      headers: { authorization: `Bearer ${REDIS_TOKEN}`, "content-type": "application/json" },
      body: '["INCR","bench:chain"]',
    })
  ).json();
  const url = new URL(req.url);
  const body = req.method === "GET" ? undefined : await req.text();
  const answer = await fetch(REST_URL + url.pathname + url.search, {
    method: req.method,
    headers: Object.fromEntries(PASSED_ON.flatMap((name) => [[name, req.header(name) ?? ""]])),
    ...(body !== undefined && { body }),
  });
  const data = await answer.json();
  return Response.json({ success: answer.ok, data }, { status: answer.status });
});

Deno.serve({ hostname: "127.0.0.1", port: Number(PORT), onListen: () => {} }, app.fetch);
