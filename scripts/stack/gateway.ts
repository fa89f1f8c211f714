/** Where the gateway sends what. Bases without a trailing slash. */
export interface Upstreams {
  /** The function's server; it sees `/api/…`. */
  functionBase: string;
  restUrl: string;
}

const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/** Answers on the paths of a Supabase project, and tells the function what the platform's gateway tells it. */
export function startGateway(
  port: number,
  { functionBase, restUrl }: Upstreams,
): { url: string; stop(): Promise<void> } {
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request, { remoteAddr }) => {
    const start = request.url.indexOf("/", 8);
    const target = request.url.slice(start); // As it came: parsing would change its escapes.
    const isFunction = target.startsWith("/functions/v1/api/") || /^\/functions\/v1\/api(\?|$)/.test(target);
    const upstream = isFunction
      ? functionBase + target.slice("/functions/v1".length)
      : target.startsWith("/rest/v1/")
        ? restUrl + target.slice("/rest/v1".length)
        : undefined;
    if (upstream === undefined)
      return Response.json({ code: "NOT_FOUND", message: "Requested path was not found" }, { status: 404 });

    const headers = new Headers(request.headers);
    for (const name of HOP_BY_HOP) headers.delete(name);
    const host = request.headers.get("host") ?? `127.0.0.1:${port}`;
    const peer = remoteAddr.hostname;
    headers.set(
      "x-forwarded-for",
      [request.headers.get("x-forwarded-for"), peer].filter((hop) => hop !== null).join(", "),
    );
    headers.set("x-forwarded-host", host);
    headers.set("x-forwarded-port", String(port));
    // The platform ends TLS here, so a client came by https; a test may say otherwise, to see the 301.
    if (!headers.has("x-forwarded-proto")) headers.set("x-forwarded-proto", "https");
    headers.set("accept-encoding", "identity");
    try {
      const answer = await fetch(upstream, { method: request.method, headers, body: request.body, redirect: "manual" });
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    } catch {
      return Response.json(
        { code: "BOOT_ERROR", message: "Function failed to start (please check logs)" },
        { status: 503 },
      );
    }
  });
  return { url: `http://127.0.0.1:${port}`, stop: () => server.shutdown() };
}
