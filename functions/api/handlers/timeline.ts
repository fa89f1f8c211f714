import { claimsOf, type ReadResult } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { type CursorScope, decodeCursor, encodeCursor } from "../../../shared/query/cursor.ts";
import { allowOnly, parseLimit } from "../../../shared/query/list_query.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import { activities } from "../../../shared/resources/activities.ts";
import { stageChanges } from "../../../shared/resources/deals.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present, zulu } from "../../../shared/resources/present.ts";
import { tasks } from "../../../shared/resources/tasks.ts";
import { notFound, recordId } from "./list.ts";

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
    const scope: CursorScope = {
      workspace: principal.workspaceId,
      resource: `${resource.plural}.timeline`,
      sort: "-occurred_at,-id",
      filter: JSON.stringify([id, types]),
    };
    const cursor = options.get("cursor");
    const position = cursor === undefined ? undefined : decodeCursor(services.config.cursorSecret, scope, cursor);
    const shape = {
      subject: resource.singular,
      resource: resource.plural,
      types,
      resources: Object.fromEntries(types.map((type) => [type, KINDS[type]?.table])),
      columns: Object.fromEntries(types.map((type) => [type, KINDS[type]?.names.all])),
      limit: limit + 1,
      total: position === undefined,
      continued: position !== undefined,
    };
    const argument = { shape, id, ...(position && { after: position.values }) };
    const answer = await services.database
      .call("read_timeline", argument as never, claimsOf(principal))
      .catch(async (error) => {
        throw error instanceof ApiError && error.code === "not_found" ? await notFound(resource, exchange, id) : error;
      });
    const { rows, total } = answer as ReadResult;
    const exactTotal = position?.total ?? total;
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    const nextCursor =
      last === undefined
        ? null
        : encodeCursor(services.config.cursorSecret, scope, {
            values: [String(last["occurred_at"]), String(last["id"])],
            total: exactTotal,
          });
    return {
      data: shown.map(({ type, id: entryId, occurred_at, data }) => ({
        type,
        id: entryId,
        occurred_at: zulu(String(occurred_at)),
        data: present(KINDS[String(type)] ?? activities, data as Record<string, unknown>),
      })),
      meta: { total: exactTotal, limit, next_cursor: nextCursor, has_more: nextCursor !== null },
    };
  };
}

function readTypes(raw: string | undefined): string[] {
  const all = Object.keys(KINDS);
  if (raw === undefined) return all;
  const types = [...new Set(raw.split(","))];
  const unknown = types.find((type) => !all.includes(type));
  if (unknown === undefined) return all.filter((type) => types.includes(type));
  const sentence = unknownName("type", unknown, all);
  throw new ApiError("validation_error", { message: sentence, details: { types: [sentence] } });
}
