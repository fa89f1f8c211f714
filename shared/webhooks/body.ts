import type { ClaimedWebhook } from "../db/webhooks.ts";
import type { Event } from "../resources/events.ts";

/** What is said of an event where the receiver fetches the rest itself. */
function thin({ data: _data, changes, ...event }: Event): Record<string, unknown> {
  return { ...event, changed: Object.keys(changes) };
}

/** What a doorbell says: which positions of the feed there are to read. */
export interface Ring {
  id: string;
  type: "events.available";
  from: number;
  to: number;
  occurred_at: string;
  /** Of a ring that somebody has asked for. */
  test?: true;
}

/** An event as it is sent to an endpoint. What a doorbell is sent one by one are tests. */
export function bodyOf({ mode, newest }: Pick<ClaimedWebhook, "mode" | "newest">, event: Event): string {
  if (mode !== "doorbell") return JSON.stringify(mode === "thin" ? thin(event) : event);
  const { id, occurred_at } = event;
  const ring: Ring = { id, type: "events.available", from: newest, to: newest, occurred_at, test: true };
  return JSON.stringify(ring);
}
