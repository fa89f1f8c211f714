import { Hono } from "hono";
import { createCredentialStore } from "../../shared/auth/credential_store.ts";
import { createReportVerifier } from "../../shared/auth/report_signature.ts";
import { MAX_ENDPOINTS_AT_ONCE, MAX_EVENT_WAITS_AT_ONCE, MAX_SLOW_AT_ONCE } from "../../shared/bounds.ts";
import type { Config } from "../../shared/config.ts";
import { createDatabase } from "../../shared/db/database.ts";
import { ApiError } from "../../shared/errors.ts";
import { BodyPlaces } from "../../shared/http/body_places.ts";
import { type Exchange, openExchange, type Services, type Workers } from "../../shared/http/exchange.ts";
import { createLog, type Log } from "../../shared/http/log.ts";
import type { Route } from "../../shared/http/route.ts";
import { createUses } from "../../shared/http/uses.ts";
import { type ApiVersion, DEFAULT_VERSION, unknownVersion, VERSIONS } from "../../shared/http/versions.ts";
import { claimImportSlice } from "../../shared/imports/run.ts";
import { claimChange } from "../../shared/jobs/changes.ts";
import { type Background, createWorker } from "../../shared/jobs/worker.ts";
import { createLimiters } from "../../shared/limits/create_limiters.ts";
import { Gate } from "../../shared/limits/gate.ts";
import { Thread } from "../../shared/limits/thread.ts";
import { claimMail } from "../../shared/mail/send.ts";
import { run } from "../../shared/middleware/pipeline.ts";
import { claimWebhook } from "../../shared/webhooks/dispatch.ts";
import { createSender } from "../../shared/webhooks/send.ts";
import { drainJobs } from "./handlers/drain.ts";
import { routesOf } from "./routes.ts";

/** The platform's, which keeps an isolate that has answered until work is done. Elsewhere there is none. */
declare const EdgeRuntime: { waitUntil: Background } | undefined;

const HAND_OVER_TIMEOUT_MS = 5_000;

/** Hono finds the route; the pipeline decides what happens on the way to its handler. */
export type Router = Hono<{ Bindings: Exchange }>;

/** The API as a fetch handler, in the versions that there are. */
export function createApp(
  config: Config,
  { background = keepAlive, versions = VERSIONS }: { background?: Background; versions?: readonly ApiVersion[] } = {},
): { fetch(request: Request): Response | Promise<Response> } {
  const services = createServices(config, background, versions);
  const router = createRouter(versions);
  return {
    async fetch(request) {
      const exchange = openExchange(services, request);
      try {
        const response = await router.fetch(request, exchange);
        // The length of a file that is made while it is sent is not 0, as an empty body would say (RFC 9110 §8.6).
        const isFile = request.method === "HEAD" && response.headers.has("content-disposition");
        return isFile ? new Response(new Blob([]).stream(), response) : response;
      } finally {
        exchange.turns.end();
      }
    },
  };
}

function createServices(config: Config, background: Background, versions: readonly ApiVersion[]): Services {
  const log = createLog(config.logLevel);
  const database = createDatabase(config);
  const limiters = createLimiters({ url: config.redisUrl, token: config.redisToken, log });
  const sender = createSender(config, { log });
  return {
    config,
    log,
    database,
    credentials: createCredentialStore(config, database),
    uses: createUses(database, log, background),
    isSignedReport: createReportVerifier(config.secretScanningKeysUrl),
    limiter: limiters.keys,
    addressLimiter: limiters.addresses,
    refunds: limiters.refunds,
    bodies: new BodyPlaces(),
    thread: new Thread(),
    patience: new Gate({
      places: { slow: MAX_SLOW_AT_ONCE, events: MAX_EVENT_WAITS_AT_ONCE },
      maxWaiting: 0,
      maxWaitMs: 0,
    }),
    versions,
    sender,
    worker: createWorkers(config, { database, log, background, versions, sender }),
  };
}

/** Of each kind one, by itself: a mail service or a receiver that is slow keeps nobody's import waiting. */
function createWorkers(
  config: Config,
  {
    database,
    log,
    background,
    versions,
    sender,
  }: Pick<Services, "database" | "log" | "versions" | "sender"> & { background: Background },
): Workers {
  const { mail: service } = config;
  if (service === undefined) log("warn", "mails_wait", { reason: "MAIL_API_KEY is not set" });
  const common = { log, background, handOver: () => callDrain(config, log) };
  // One timer does for all: the next turn says anew when there is something to do.
  let wakesAt = Number.POSITIVE_INFINITY;
  const later = (ms: number) => {
    const at = performance.now() + ms;
    if (at >= wakesAt && wakesAt > performance.now()) return;
    wakesAt = at;
    background(
      new Promise((resolve) => setTimeout(resolve, ms)).then(() => {
        if (wakesAt === at) wakesAt = Number.POSITIVE_INFINITY;
        dispatcher.wake();
      }),
    );
  };
  const dispatched = { database, sender, versions, masterKey: config.masterKey, log, later };
  const dispatcher = createWorker({
    ...common,
    claims: [(budget) => claimWebhook(dispatched, budget)],
    places: MAX_ENDPOINTS_AT_ONCE,
  });
  const others = [
    createWorker({
      ...common,
      claims: [(budget) => claimImportSlice(database, budget, versions), () => claimChange(database)],
      afterSlice: () => dispatcher.wake(),
    }),
    createWorker({
      ...common,
      claims: service === undefined ? [] : [() => claimMail(database, { service, sources: config, log })],
    }),
  ];
  return {
    wake() {
      for (const worker of [dispatcher, ...others]) worker.wake();
    },
    dispatch: () => dispatcher.wake(),
  };
}

function keepAlive(work: Promise<unknown>): void {
  if (typeof EdgeRuntime !== "undefined") EdgeRuntime.waitUntil(work);
}

/** Asks the function to go on in another invocation, which has limits of its own. The timer would too, later. */
async function callDrain(config: Config, log: Log): Promise<void> {
  try {
    const response = await fetch(`${config.publicApiUrl}/internal/drain`, {
      method: "POST",
      headers: { "X-Cron-Secret": config.cronSecret },
      signal: AbortSignal.timeout(HAND_OVER_TIMEOUT_MS),
    });
    await response.body?.cancel();
  } catch {
    log("warn", "hand_over_failed");
  }
}

/** Every route under each version it exists in, and under no version for the default one. */
export function createRouter(versions: readonly ApiVersion[]): Router {
  const router: Router = new Hono<{ Bindings: Exchange }>({ strict: false });
  router.post("/api/internal/drain", ({ env }) => drainJobs(env));
  for (const version of versions) {
    const routes = routesOf(version);
    mount(router, `/api/${version.name}`, routes);
    if (version.name === DEFAULT_VERSION) mount(router, "/api", routes);
  }
  const supported = versions.map(({ name }) => name);
  router.all("/api/:version{v[0-9]+}/*", ({ env, req }) => run(env, noSuchPath(supported, req.param("version"))));
  router.notFound(({ env }) => run(env, noSuchPath(supported)));
  return router;
}

function noSuchPath(supported: readonly string[], version: string = DEFAULT_VERSION): ApiError {
  if (supported.includes(version)) return new ApiError("not_found", { message: "No such path. Verify the URL." });
  return unknownVersion(version, supported);
}

function mount(router: Router, base: string, map: readonly Route[]): void {
  for (const [path, atPath] of Map.groupBy(map, (route) => route.path)) {
    const pattern = base + path.replace(/\{(\w+)\}/g, ":$1");
    for (const route of atPath) {
      router.on(route.method, pattern, ({ env, req }) => run(env, route, req.param()));
    }
    const methods = atPath.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
    const Allow = [...methods, "OPTIONS"].join(", ");
    const message = `This path supports ${Allow}.`;
    router.all(pattern, ({ env }) => run(env, new ApiError("method_not_allowed", { message, headers: { Allow } })));
  }
}
