import type { Event } from "../resources/events.ts";

/** What is said of an event where the receiver fetches the rest itself. */
function thin({ data: _data, changes, ...event }: Event): Record<string, unknown> {
  return { ...event, changed: Object.keys(changes) };
}

/** An event as it is sent to an endpoint of a mode. */
export function bodyOf(mode: "full" | "thin" | "doorbell", event: Event): string {
  return JSON.stringify(mode === "thin" ? thin(event) : event);
}

/** What a doorbell says: which positions of the feed there are to read. */
export interface Ring {
  id: string;
  type: "events.available";
  from: number;
  to: number;
  occurred_at: string;
}
