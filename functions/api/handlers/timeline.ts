import { claimsOf } from "../../../shared/db/records.ts";
import { ApiError, fieldError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { allowOnly, parseLimit } from "../../../shared/query/list_query.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import { activities } from "../../../shared/resources/activities.ts";
import { stageChanges } from "../../../shared/resources/deals.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { namesIn } from "../../../shared/resources/plain_text.ts";
import { present } from "../../../shared/resources/present.ts";
import { tasks } from "../../../shared/resources/tasks.ts";
import { shownTime } from "../../../shared/resources/time.ts";
import { notFound, recordId } from "./addressed.ts";
import { explainExpense, type PageRequest, pageOf, positionOf, totalOf } from "./page.ts";

/** The kinds of entries, and what the `data` of each is. */
const KINDS: Record<string, Resource> = { activity: activities, task: tasks, stage_change: stageChanges };

/**
 * `GET /v1/contacts/{id}/timeline` (companies, deals): activities by when they occurred, tasks by when
 * they were created and stage changes of the record's deals, newest first. The kinds that the key may
 * not read are left out.
 */
export function readTimeline(resource: Resource): (exchange: AuthorizedExchange) => Promise<Reply> {
  return async (exchange) => {
    const { services, principal, url } = exchange;
    const options = allowOnly(url.searchParams, ["limit", "cursor", "types"]);
    const limit = parseLimit(options.get("limit"));
    const types = readTypes(options.get("types"));
    const id = recordId(exchange);
    const request: PageRequest = {
      scope: {
        workspace: principal.workspaceId,
        resource: `${resource.plural}.timeline`,
        sort: "-occurred_at,-id",
        filter: JSON.stringify([id, types]),
      },
      limit,
      cursor: options.get("cursor"),
    };
    const position = positionOf(exchange, request);
    const shape = {
      subject: resource.singular,
      types,
      columns: Object.fromEntries(types.map((type) => [type, KINDS[type]?.names.all])),
      total: position === undefined,
      continued: position !== undefined,
    };
    const argument = { shape, id, limit: limit + 1, ...(position && { after: position.values }) };
    const found = await services.database.call("read_timeline", argument, claimsOf(principal)).catch(async (error) => {
      if (error instanceof ApiError && error.code === "not_found") throw await notFound(resource, exchange, id);
      throw explainExpense(error, ["Leave the stage changes out: types=activity,task."]);
    });
    const { shown, meta, headers } = pageOf(exchange, request, found, {
      valuesOf: (row) => [String(row["occurred_at"]), String(row["id"])],
      total: totalOf(exchange, position, found.total),
      carry: true,
    });
    return {
      data: shown.map(({ type, id: entryId, occurred_at, data }) => ({
        type,
        id: entryId,
        occurred_at: shownTime(String(occurred_at)),
        data: present(KINDS[String(type)] ?? activities, data as Record<string, unknown>),
      })),
      meta,
      headers,
    };
  };
}

function readTypes(raw: string | undefined): string[] {
  const all = Object.keys(KINDS);
  if (raw === undefined) return all;
  const types = [...new Set(namesIn(raw))];
  const unknown = types.find((type) => !all.includes(type));
  if (unknown === undefined) return all.filter((type) => types.includes(type));
  throw fieldError("validation_error", { types: [unknownName("type", unknown, all)] });
}
