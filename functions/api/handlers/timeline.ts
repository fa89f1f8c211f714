import { z } from "zod";
import { claimsOf } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import { pageParameters, parameters, someOf } from "../../../shared/http/parameters.ts";
import type { Handler, Query } from "../../../shared/http/route.ts";
import { activities } from "../../../shared/resources/activities.ts";
import { stageChanges } from "../../../shared/resources/deals.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { tasks } from "../../../shared/resources/tasks.ts";
import { shownTime } from "../../../shared/resources/time.ts";
import { notFound, recordId } from "./addressed.ts";
import { answerPage } from "./page.ts";

/** The kinds of entries, and what the `data` of each is. */
const KINDS: Record<string, Resource> = { activity: activities, task: tasks, stage_change: stageChanges };
const ALL_KINDS = Object.keys(KINDS);

type Asked = { limit: number; cursor?: string | undefined; types: string[] };

export const timelineQuery: Query<Asked> = parameters({
  ...pageParameters,
  types: someOf("type", ALL_KINDS).default(ALL_KINDS),
});

/** An entry, with what happened as its `data`. */
export const timelineEntry = z.discriminatedUnion(
  "type",
  Object.entries(KINDS).map(([type, { record }]) =>
    z.strictObject({ type: z.literal(type), id: z.uuid(), occurred_at: z.string(), data: record }),
  ) as never,
);

/**
 * `GET /v1/contacts/{id}/timeline` (companies, deals): activities by when they occurred, tasks by when
 * they were created and stage changes of the record's deals, newest first. The kinds that the key may
 * not read are left out.
 */
export function readTimeline(resource: Resource): Handler<Asked> {
  return async (exchange, { query }) => {
    const { services, principal } = exchange;
    const { limit, cursor } = query;
    const types = ALL_KINDS.filter((type) => query.types.includes(type));
    const id = recordId(exchange);
    const columns = Object.fromEntries(types.map((type) => [type, KINDS[type]?.names.all]));
    return answerPage(exchange, {
      of: `${resource.plural}.timeline`,
      sort: "-occurred_at,-id",
      filter: JSON.stringify([id, types]),
      limit,
      cursor,
      read(after) {
        const isFirst = after === undefined;
        const shape = { subject: resource.singular, types, columns, total: isFirst, continued: !isFirst };
        const argument = { shape, id, limit: limit + 1, ...(after && { after: after.values }) };
        return services.database.call("read_timeline", argument, claimsOf(principal)).catch(async (error) => {
          if (error instanceof ApiError && error.code === "not_found") throw await notFound(resource, exchange, id);
          throw error;
        });
      },
      valuesOf: (row) => [row["occurred_at"], row["id"]],
      show: (rows) =>
        rows.map(({ type, id: entryId, occurred_at, data }) => ({
          type,
          id: entryId,
          occurred_at: shownTime(String(occurred_at)),
          data: present(KINDS[String(type)] ?? activities, data as Record<string, unknown>),
        })),
      carriesTotal: true,
      advice: ["Leave the stage changes out: types=activity,task."],
    });
  };
}
