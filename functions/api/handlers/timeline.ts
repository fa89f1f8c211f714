import { z } from "zod";
import { claimsOf } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import { parameters } from "../../../shared/http/parameters.ts";
import type { Handler, Query } from "../../../shared/http/route.ts";
import { pageParameters, someOf } from "../../../shared/query/parameters.ts";
import { shownColumns } from "../../../shared/query/read_plan.ts";
import { resourceNamed } from "../../../shared/resources/all.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { shownTime } from "../../../shared/resources/time.ts";
import { notFound, recordId } from "./addressed.ts";
import { answerPage } from "./page.ts";

/** The kinds of entries, and the resource that the `data` of each is. */
const PLURALS: Record<string, string> = { activity: "activities", task: "tasks", stage_change: "stage_changes" };
const KINDS = Object.keys(PLURALS);

type Asked = { limit: number; cursor?: string | undefined; types: string[] };

export const timelineQuery: Query<Asked> = parameters({
  ...pageParameters,
  types: someOf("type", KINDS).default(KINDS),
});

/** An entry, with what happened as its `data`. */
export function entryOf(resources: readonly Resource[]): z.ZodType {
  const entries = KINDS.map((type) =>
    z.strictObject({
      type: z.literal(type),
      id: z.uuid(),
      occurred_at: z.string(),
      data: kindOf(type, resources).record,
    }),
  );
  return z.union(entries);
}

function kindOf(type: unknown, resources: readonly Resource[]): Resource {
  return resourceNamed(PLURALS[String(type)] ?? "", resources);
}

/**
 * `GET /v1/contacts/{id}/timeline` (companies, deals): activities by when they occurred, tasks by when
 * they were created and stage changes of the record's deals, newest first. The kinds that the key may
 * not read are left out.
 */
export function readTimeline(resource: Resource): Handler<Asked> {
  return async (exchange, { query }) => {
    const { services, principal } = exchange;
    const { limit, cursor } = query;
    const types = KINDS.filter((type) => query.types.includes(type));
    const id = recordId(exchange);
    const { resources } = exchange.version;
    const columns = Object.fromEntries(types.map((type) => [type, shownColumns(kindOf(type, resources))]));
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
          data: present(kindOf(type, resources), data as Record<string, unknown>),
        })),
      carriesTotal: true,
      advice: ["Leave the stage changes out: types=activity,task."],
    });
  };
}
