import type { Credential } from "../auth/authorization.ts";
import type { CredentialStore } from "../auth/credential_store.ts";
import type { Principal, Scope } from "../auth/principal.ts";
import type { ReportVerifier } from "../auth/report_signature.ts";
import type { Session } from "../auth/sessions.ts";
import type { Config } from "../config.ts";
import type { RequestContext } from "../db/acts.ts";
import type { Database } from "../db/database.ts";
import type { ApiError } from "../errors.ts";
import type { Worker } from "../jobs/worker.ts";
import type { AddressLimiter } from "../limits/address_limiter.ts";
import type { Gate } from "../limits/gate.ts";
import type { Bucket, Limiter, RateDecision } from "../limits/limiter.ts";
import type { Thread, Turns } from "../limits/thread.ts";
import type { Sender } from "../webhooks/send.ts";
import type { BodyPlaces } from "./body_places.ts";
import { clientAddress } from "./forwarded.ts";
import type { Log } from "./log.ts";
import { newRequestId } from "./request_id.ts";
import type { Given, Route } from "./route.ts";
import type { Uses } from "./uses.ts";
import { type ApiVersion, versionOf } from "./versions.ts";

/** What goes on after answers. */
export interface Workers extends Worker {
  /** Says that there may be events to send. */
  dispatch(): void;
}

/** What lives as long as the isolate. */
export interface Services {
  config: Config;
  database: Database;
  credentials: CredentialStore;
  uses: Uses;
  isSignedReport: ReportVerifier;
  limiter: Limiter;
  addressLimiter: AddressLimiter;
  /** Counts the answers 304 that cost a key nothing. */
  refunds: Limiter;
  bodies: BodyPlaces;
  thread: Thread;
  /** Of requests that wait on purpose: for events, or because a sandbox has asked for slow answers. */
  patience: Gate<"slow" | "events">;
  worker: Workers;
  /** Of webhooks. */
  sender: Sender;
  versions: readonly ApiVersion[];
  log: Log;
}

/** One request on its way through the pipeline; each step reads what the steps before it have found. */
export interface Exchange {
  services: Services;
  request: Request;
  url: URL;
  requestId: string;
  receivedAt: Date;
  /** The client's address, as the trusted proxies report it. */
  address: string;
  version: ApiVersion;
  route?: Route;
  /** Why there is no route: the version or the method, when the path alone is known. */
  routeError?: ApiError;
  params: Record<string, string>;
  credential?: Credential;
  principal?: Principal;
  /** Who has signed in, where no workspace matters. */
  session?: Session;
  /** The scopes that the request has been asked for. */
  used: Set<Scope>;
  /** The bucket the request was counted in and what is left of it. */
  bucket?: Bucket;
  decision?: RateDecision;
  /** For work that takes long. */
  turns: Turns;
  /** The parsed JSON body, or its bytes where the route wants those; undefined where it takes none. */
  body?: unknown;
  /** Whether the records of a bulk request may have what can't be kept, as `findFault` finds it. */
  isBodySuspicious?: boolean;
  /** Gives back what the body takes of the memory that all share; once, when the request is answered. */
  endWork?: () => void;
  /** What the route's query, body and headers say, read and checked. */
  given?: Given<unknown, unknown>;
  /** SHA-256 of what makes two requests the same, for the Idempotency-Key. */
  fingerprint?: string;
}

/** The exchange of a request that has just arrived. */
export function openExchange(services: Services, request: Request): Exchange {
  const url = URL.parse(request.url) ?? new URL("http://unknown/"); // Refused by requireHost, in our envelope.
  return {
    services,
    request,
    url,
    requestId: newRequestId(),
    receivedAt: new Date(),
    address: clientAddress(request, services.config.trustedProxyHops),
    version: versionOf(url.pathname, services.versions),
    params: {},
    used: new Set(),
    turns: services.thread.open(),
  };
}

/** A request whose key is known and granted: what handlers get. */
export interface AuthorizedExchange extends Exchange {
  principal: Principal;
}

/** A request of somebody who has signed in, and may be in no workspace. */
export interface SignedInExchange extends Exchange {
  session: Session;
}

/**
 * Does what only waits, in one of the workspace's places for that; it holds up no long work meanwhile.
 * @throws ApiError `too_many_concurrent_requests` when none is free
 */
export function waitFor<Result>(
  exchange: AuthorizedExchange,
  kind: "slow" | "events",
  wait: () => Promise<Result>,
): Promise<Result> {
  const { services, principal } = exchange;
  return services.patience.pass(principal.workspaceId, kind, async () => {
    exchange.turns.end();
    const result = await wait();
    exchange.turns = services.thread.open();
    return result;
  });
}

/** Where a request came from, as the audit log keeps it. */
export function contextOf({ address, request, requestId }: Exchange): RequestContext {
  return { ip: address, user_agent: request.headers.get("user-agent")?.slice(0, 255) ?? null, request_id: requestId };
}

/** What a handler answers; the pipeline makes the envelope, the headers and the Response. */
export interface Reply {
  /** 200 when not said. */
  status?: 200 | 201 | 202 | 207;
  data?: unknown;
  /** Members of `meta` beside request_id and timestamp. */
  meta?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** Sent in the place of the envelope. */
  file?: StreamedFile;
  /** JSON that is sent in the place of the envelope. */
  document?: unknown;
}

/** A file that is made while it is sent. What fails on the way breaks the stream off, so it is never silently short. */
export interface StreamedFile {
  name: string;
  /** Its content type. */
  type: string;
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
}
