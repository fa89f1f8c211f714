import type { RecordData } from "./records.ts";

// What the functions of `api` for the dispatchers of webhooks take and answer.

/** A delivery that is due. */
export interface WaitingDelivery {
  lane: "live" | "bulk" | "replay" | "test";
  /** Null when nothing was tried before. */
  delivery_id: string | null;
  /** Of a delivery that waits to be tried again. */
  event_id: string;
  tries: number;
  /** Whether an earlier event of the record must be delivered before. */
  is_blocked: boolean;
  /** Null when it is kept no longer. */
  event:
    | (RecordData & { id: string; position: number | null; type: string; resource: string; record_id: string })
    | null;
}

/** An endpoint, as `api.claim_webhook` leases it. */
export interface ClaimedWebhook {
  id: string;
  url: string;
  mode: "full" | "thin" | "doorbell";
  ordering: "none" | "record";
  matcher: unknown;
  api_version: string;
  /** Of the secrets that hold, the newest first. */
  secret_generations: number[];
  /** In a row, and after how many of them it gets new events only now and then. */
  failures: number;
  max_failures: number;
  concurrency: number;
  cursor: number;
  bulk_cursor: number;
  newest: number;
  retries: WaitingDelivery[];
  live: { items: WaitingDelivery[]; upto: number };
  bulk: { items: WaitingDelivery[]; upto: number };
  replay: { id: string; items: WaitingDelivery[]; from: number; upto: number; ends: boolean } | null;
}

/** What became of a delivery. */
export interface Delivered {
  event_id: string;
  position: number | null;
  type: string;
  resource: string | null;
  record_id: string | null;
  lane: WaitingDelivery["lane"];
  state: "pending" | "succeeded" | "failed";
  tries: number;
  /** Seconds until the next attempt; null when there is none, or something else must go first. */
  wait: number | null;
  attempt: {
    at: string;
    status: number | null;
    duration_ms: number;
    error: string | null;
    response: string | null;
  } | null;
}

/** What it hears when it has: whether the endpoint is still its own, and in how many seconds there is something to do. */
export interface Settled {
  is_ours: boolean;
  due_in: number | null;
}

/** What a dispatcher writes down of its turn with an endpoint. */
export interface Settlement {
  deliveries: Delivered[];
  /** Up to where each lane is done with. */
  cursor: number;
  bulk_cursor: number;
  replay: { id: string; upto: number; done: number; ends: boolean } | null;
  failures: number;
  concurrency: number;
  /** Whether anything has succeeded since the last one. */
  has_succeeded: boolean;
  is_gone: boolean;
  /** Whether it was sent a new event although it fails. */
  probed: boolean;
  /** Seconds for which it is sent nothing. */
  rest: number | null;
  /** Whether the lease is given back, and after how many seconds the endpoint is looked at again; null when it is due. */
  ends: boolean;
  wait: number | null;
}
