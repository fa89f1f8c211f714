import { type Credential, parseAuthorization } from "../auth/authorization.ts";
import type { Principal } from "../auth/principal.ts";
import { ApiError, isRefusal } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";
import { isAmong } from "../standards/address_blocks.ts";
import { rateLimitExceeded } from "./limit_rate.ts";

/**
 * Finds out who asks. A request without a good credential is counted against its address: in memory
 * while it costs no I/O, in Redis too once its key had to be looked up.
 */
export async function authenticate(exchange: Exchange): Promise<void> {
  const { services, request, address, route } = exchange;
  if (route?.scope === "public") {
    if (route.body !== null) refuseSpentAddress(exchange);
    return;
  }
  const credential = readCredential(exchange);
  try {
    const workspaceId = request.headers.get("x-workspace-id");
    if (!services.credentials.isKnown(credential, workspaceId)) takeLookup(exchange);
    const isWorkspaceless = route?.scope === "session" && credential.kind === "session";
    if (isWorkspaceless) exchange.session = await services.credentials.readSession(credential.token);
    else await identify(exchange, credential, workspaceId);
    exchange.credential = credential;
  } catch (error) {
    if (!(error instanceof ApiError) || !(isRefusal(error) || error.code === "ip_not_allowed")) throw error;
    const decision = await services.addressLimiter.take(address);
    exchange.decision = decision;
    throw decision.allowed ? error : rateLimitExceeded(decision);
  }
}

/** Finds out whose the credential is, and whether it may be used from here. @throws ApiError as a bad credential does */
async function identify(exchange: Exchange, credential: Credential, workspaceId: string | null): Promise<void> {
  const principal = await exchange.services.credentials.authenticate(credential, workspaceId);
  if (principal.kind === "api_key") requirePlace(principal, exchange, workspaceId);
  exchange.principal = principal;
}

/**
 * Looks again at a key whose addresses have changed since this isolate looked, which the database has noticed.
 * @throws ApiError `ip_not_allowed` when they have changed against whoever asks
 */
export async function identifyAnew(exchange: Exchange): Promise<void> {
  const { services, request, credential } = exchange;
  if (credential === undefined) return;
  const workspaceId = request.headers.get("x-workspace-id");
  services.credentials.forget(credential, workspaceId);
  await identify(exchange, credential, workspaceId);
}

// Before the request is counted: whoever has stolen a key must not spend its quota from elsewhere. They may end it, though.
function requirePlace(
  { allowedIps, workspaceId }: Principal & { kind: "api_key" },
  { route, address }: Exchange,
  named: string | null,
): void {
  if (allowedIps !== null && !isAmong(allowedIps, address) && route?.operation !== "api_keys.revokeCurrent")
    throw new ApiError("ip_not_allowed", { details: { ip: address } });
  if (named === null || named.toLowerCase() === workspaceId) return;
  const message = "The API key is of another workspace than X-Workspace-Id names. A key has one; leave the header out.";
  throw new ApiError("workspace_not_found", { message });
}

function readCredential(exchange: Exchange): Credential {
  try {
    return parseAuthorization(exchange.request.headers.get("authorization"));
  } catch (error) {
    exchange.decision = exchange.services.addressLimiter.takeLocally(exchange.address);
    if (!exchange.decision.allowed) throw rateLimitExceeded(exchange.decision);
    throw error;
  }
}

// What it sends would be read before it could be seen to be worth nothing.
function refuseSpentAddress(exchange: Exchange): void {
  const decision = exchange.services.addressLimiter.peek(exchange.address);
  if (decision.allowed) return;
  exchange.decision = decision;
  throw rateLimitExceeded(decision);
}

// An address that keeps guessing may not make the database look up all its guesses.
function takeLookup(exchange: Exchange): void {
  const decision = exchange.services.addressLimiter.takeLookup(exchange.address);
  if (decision.allowed) return;
  exchange.decision = decision;
  throw rateLimitExceeded(decision);
}
