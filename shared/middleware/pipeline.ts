import { ApiError, isRefusal } from "../errors.ts";
import type { AuthorizedExchange, Exchange, Reply, SignedInExchange } from "../http/exchange.ts";
import { logRequest } from "../http/log.ts";
import { failure, success } from "../http/respond.ts";
import type { Route } from "../http/route.ts";
import { authenticate, identifyAnew } from "./authenticate.ts";
import { authorize } from "./authorize.ts";
import { answerUnchanged } from "./conditional.ts";
import { requireHttps } from "./https.ts";
import { limitRate } from "./limit_rate.ts";
import { parse } from "./parse.ts";
import { playScenario } from "./play_scenario.ts";
import { answerPreflight } from "./preflight.ts";
import { readBody } from "./read_body.ts";
import { requireHost } from "./require_host.ts";
import { requireRoute } from "./require_route.ts";
import { requireUrl } from "./require_url.ts";

/** Looks at the exchange, adds what it finds, and answers, throws, or lets the next step go on. */
type Step = (exchange: Exchange) => void | Response | undefined | Promise<Response | undefined> | Promise<void>;

/** The order is the policy: nothing runs before what stands above it. */
const pipeline: readonly Step[] = [
  requireHost,
  requireHttps,
  answerPreflight,
  authenticate,
  limitRate,
  requireRoute,
  authorize,
  playScenario,
  requireUrl,
  readBody,
];

/** Takes a request through the pipeline to its route's handler, or to why it has none. Never throws. */
export async function run(
  exchange: Exchange,
  target: Route | ApiError,
  params: Record<string, string> = {},
): Promise<Response> {
  if (target instanceof ApiError) exchange.routeError = target;
  else exchange.route = target;
  exchange.params = params;
  const response = await answer(exchange);
  logRequest(exchange, response.status);
  return response;
}

async function answer(exchange: Exchange): Promise<Response> {
  try {
    for (const step of pipeline) {
      const response = await step(exchange);
      if (response !== undefined) return response;
    }
    const reply = await handleOrTryAgain(exchange);
    return (await answerUnchanged(exchange, reply)) ?? success(exchange, reply);
  } catch (thrown) {
    forgetRefusedKey(exchange, thrown);
    return failure(exchange, thrown);
  } finally {
    exchange.endWork?.();
    exchange.services.uses.note(exchange); // Whatever became of it.
  }
}

async function handle(exchange: Exchange): Promise<Reply> {
  await parse(exchange);
  const { route, given } = exchange;
  if (route === undefined || given === undefined) throw new ApiError("not_found");
  // authenticate let nobody through without a principal or a session, but on public routes.
  return await route.handler(exchange as AuthorizedExchange & SignedInExchange, given);
}

async function handleOrTryAgain(exchange: Exchange): Promise<Reply> {
  try {
    return await handle(exchange);
  } catch (error) {
    if (!isOutdated(error)) throw error;
    await identifyAnew(exchange);
    return handle(exchange); // The database has refused all of the call that noticed it.
  }
}

/** Whether the database says that a key's addresses are others than those by which the request was let in. */
function isOutdated(error: unknown): boolean {
  return error instanceof ApiError && error.code === "ip_not_allowed" && error.details["changed"] === true;
}

// Row-level security found the key revoked, or the user gone, before this isolate's memory did.
function forgetRefusedKey({ services, request, credential }: Exchange, thrown: unknown): void {
  if (credential === undefined || !(thrown instanceof ApiError) || !isRefusal(thrown)) return;
  services.credentials.forget(credential, request.headers.get("x-workspace-id"));
}
