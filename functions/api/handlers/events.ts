import { z } from "zod";
import { MAX_EVENT_WAIT_SECONDS, MAX_EVENTS } from "../../../shared/bounds.ts";
import { claimsOf } from "../../../shared/db/records.ts";
import { type AuthorizedExchange, waitFor } from "../../../shared/http/exchange.ts";
import { parameters } from "../../../shared/http/parameters.ts";
import type { Handler, Query } from "../../../shared/http/route.ts";
import { flag, oneName, pageParameters, wholeNumber } from "../../../shared/query/parameters.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import { EVENT_PATTERNS } from "../../../shared/resources/event_types.ts";
import { EVENT_RESOURCES, presentEvent } from "../../../shared/resources/events.ts";
import { namesIn } from "../../../shared/resources/plain_text.ts";
import { timestamp } from "../../../shared/resources/schemas.ts";
import { answerPage, type Rows } from "./page.ts";

const DEFAULT_LIMIT = 100;
/** How often it is looked for what a request waits for. */
const LOOK_EVERY_MS = 250;

const eventParameters = {
  limit: wholeNumber(1, MAX_EVENTS).default(DEFAULT_LIMIT),
  cursor: pageParameters.cursor,
  after: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
  types: z
    .string()
    .transform((raw, context) => {
      const names = [...new Set(namesIn(raw))];
      const unknown = names.find((name) => !EVENT_PATTERNS.includes(name));
      if (unknown === undefined) return names;
      context.addIssue({ code: "custom", params: { sentence: unknownName("event type", unknown, EVENT_PATTERNS) } });
      return z.NEVER;
    })
    .optional(),
  resource: oneName("resource", EVENT_RESOURCES as [string, ...string[]]).optional(),
  record_id: z.uuid("must be a UUID").toLowerCase().optional(),
  "created_at[gte]": timestamp().optional(),
  total: flag(true),
  wait: wholeNumber(1, MAX_EVENT_WAIT_SECONDS).optional(),
};

/** What `GET /v1/events` takes. */
export const eventQuery: Query<z.output<z.ZodObject<typeof eventParameters>>> = parameters(eventParameters);

/** What its answer says beside what every page says. */
export const eventMeta = { position: z.int(), oldest_position: z.int() };

/** `GET /v1/events`: what has happened, ascending by position. */
export const listEvents: Handler<z.output<z.ZodObject<typeof eventParameters>>> = async (exchange, { query }) => {
  const { services, principal, version } = exchange;
  const { limit, cursor, total, wait, after = null, "created_at[gte]": since, ...of } = query;
  const filters = { ...of, ...(since !== undefined && { since }) };
  const isCounted = total && Object.values(filters).every((value) => value === undefined) && !isConfined(exchange);
  const feed = { position: 0, oldest: 1, upto: 0 };

  async function look(from: number | null): Promise<Rows> {
    const argument = { ...filters, ...(from !== null && { after: from }), limit: limit + 1 };
    const { position, oldest, upto, has_published, ...found } = await services.database.call(
      "read_events",
      argument,
      claimsOf(principal),
    );
    Object.assign(feed, { position, oldest, upto });
    if (has_published) services.worker.dispatch();
    // Positions have no hole, so they count what there is.
    return {
      ...found,
      continues: [upto],
      total: isCounted ? Math.max(position - Math.max(after ?? 0, oldest - 1), 0) : null,
    };
  }

  const reply = await answerPage(exchange, {
    of: "events",
    sort: "position",
    filter: JSON.stringify([after, filters]),
    limit,
    cursor,
    async read(from) {
      const position = from === undefined ? after : Number(from.values[0]);
      const found = await look(position);
      return found.rows.length > 0 || wait === undefined ? found : await until(exchange, wait, () => look(feed.upto));
    },
    valuesOf: (row) => [row["position"]],
    show: (rows) => rows.map((row) => presentEvent(row, version.resources)),
    carriesTotal: false,
    advice: ["Begin later: after or created_at[gte].", "Ask for one record: record_id."],
  });
  const { position, oldest } = feed;
  return {
    ...reply,
    meta: { ...reply.meta, position, oldest_position: oldest },
    headers: { ...reply.headers, "X-Event-Position": String(position) },
  };
};

/** A custom key sees the events of what it may read alone. */
function isConfined({ principal }: AuthorizedExchange): boolean {
  return principal.kind === "api_key" && principal.scope === "custom";
}

/** Looks until something has come, or the time is over. @throws ApiError `too_many_concurrent_requests` */
function until(exchange: AuthorizedExchange, seconds: number, look: () => Promise<Rows>): Promise<Rows> {
  const { signal } = exchange.request;
  const endsAt = Date.now() + seconds * 1000;
  return waitFor(exchange, "events", async () => {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      const found = await look();
      if (found.rows.length > 0 || Date.now() >= endsAt || signal.aborted) return found;
    }
  });
}
