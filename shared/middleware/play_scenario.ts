import { SLOW_SCENARIO_MS } from "../bounds.ts";
import { unavailable } from "../db/sql_errors.ts";
import { ApiError, ERRORS, fieldError } from "../errors.ts";
import { type AuthorizedExchange, type Exchange, waitFor } from "../http/exchange.ts";
import { unknownName } from "../query/suggest.ts";
import { rateLimitExceeded } from "./limit_rate.ts";

const HEADER = "X-Test-Scenario";
const SCENARIOS = ["rate_limited", "service_unavailable", "internal_error", "slow"] as const;

/** What nginx logs for a client that has closed the connection; nobody gets it. */
const CLIENT_CLOSED_REQUEST = 499;

/**
 * In a sandbox, answers as `X-Test-Scenario` wishes before anything is read or written; `slow` only lets the request wait.
 * @throws ApiError `test_only` in a live workspace, `validation_error` for a scenario that there is not
 */
export async function playScenario(exchange: Exchange): Promise<Response | undefined> {
  const { request, principal, decision } = exchange;
  const asked = request.headers.get(HEADER);
  if (asked === null || principal === undefined || decision === undefined) return undefined;
  if (principal.environment !== "sandbox") throw fieldError("test_only", HEADER, ERRORS.test_only[1]);
  const scenario = SCENARIOS.find((known) => known === asked);
  const cause = { scenario };
  switch (scenario) {
    case "rate_limited":
      exchange.decision = { ...decision, allowed: false, remaining: 0, available: 0 };
      throw rateLimitExceeded(exchange.decision);
    case "service_unavailable":
      throw unavailable(cause);
    case "internal_error":
      throw new ApiError("internal_error", { cause });
    case "slow":
      // Whether the client is still there afterwards.
      return (await waitFor(exchange as AuthorizedExchange, "slow", () => staysFor(request.signal, SLOW_SCENARIO_MS)))
        ? undefined
        : new Response(null, { status: CLIENT_CLOSED_REQUEST });
    case undefined:
      throw fieldError("validation_error", HEADER, unknownName("scenario", asked, SCENARIOS));
  }
}

function staysFor(signal: AbortSignal, milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
