import { isGranted } from "../../../shared/auth/principal.ts";
import { claimsOf, type ReadResult } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { type CursorScope, decodeCursor, encodeCursor } from "../../../shared/query/cursor.ts";
import { fold, searchPatterns } from "../../../shared/query/filter.ts";
import { allowOnly, parseLimit } from "../../../shared/query/list_query.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import { resources } from "../../../shared/resources/all.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";

/** What is searched: every resource that has words to be found by, but for what is part of another one. */
const SEARCHED = resources.filter(
  ({ fields, parent }) => parent === undefined && Object.values(fields).some((field) => field.searched),
);

/**
 * `GET /v1/search?q=`: what a person typed, in every resource that the key may read, best first (see
 * `crm.search_score`). `types=contacts,deals` narrows it.
 */
export async function searchEverything(exchange: AuthorizedExchange): Promise<Reply> {
  const { services, principal, url } = exchange;
  const options = allowOnly(url.searchParams, ["q", "types", "limit", "cursor"]);
  const limit = parseLimit(options.get("limit"));
  const patterns = readWords(options.get("q"));
  const types = readTypes(exchange, options.get("types"));
  const scope: CursorScope = {
    workspace: principal.workspaceId,
    resource: "search",
    sort: "-score,-created_at,-id",
    filter: JSON.stringify([patterns, types.map(({ plural }) => plural)]),
  };
  const cursor = options.get("cursor");
  const position = cursor === undefined ? undefined : decodeCursor(services.config.cursorSecret, scope, cursor);
  const argument = {
    types: types.map(({ singular, table, scope: needed, title, names }) => ({
      type: singular,
      table,
      scope: needed,
      title,
      columns: names.all,
    })),
    patterns,
    phrase: fold(options.get("q") ?? "").trim(),
    word_starts: patterns.map((pattern) => `% ${pattern.replace(/^% ?/, "")}`),
    limit: limit + 1,
    total: position === undefined,
    ...(position && { after: position.values }),
  };
  const answer = await services.database.call("search_everything", argument as never, claimsOf(principal));
  const { rows, total } = answer as ReadResult;
  const exactTotal = position?.total ?? total;
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const nextCursor =
    last === undefined
      ? null
      : encodeCursor(services.config.cursorSecret, scope, {
          values: [String(last["score"]), String(last["created_at"]), String(last["id"])],
          total: exactTotal,
        });
  return {
    data: shown.map(({ type, id, score, data }) => ({
      type,
      id,
      score,
      data: presentHit(types, String(type), data as Record<string, unknown>),
    })),
    meta: { total: exactTotal, limit, next_cursor: nextCursor, has_more: nextCursor !== null },
  };
}

function presentHit(types: readonly Resource[], type: string, data: Record<string, unknown>): Record<string, unknown> {
  const resource = types.find(({ singular }) => singular === type);
  return resource === undefined ? data : present(resource, data);
}

function readWords(raw: string | undefined): string[] {
  if (raw !== undefined) return searchPatterns(raw, "q");
  const sentence = "The q parameter is required.";
  throw new ApiError("validation_error", { message: sentence, details: { q: [sentence] } });
}

function readTypes(exchange: AuthorizedExchange, raw: string | undefined): Resource[] {
  const { principal } = exchange;
  if (raw === undefined) {
    const readable = SEARCHED.filter(({ scope }) => isGranted(principal, `${scope}:read`));
    if (readable.length === 0) requireScope(principal, `${SEARCHED[0]?.scope}:read`);
    return readable;
  }
  const names = SEARCHED.map(({ plural }) => plural);
  const types = [...new Set(raw.split(","))];
  const unknown = types.find((type) => !names.includes(type));
  if (unknown !== undefined) {
    const sentence = unknownName("type", unknown, names);
    throw new ApiError("validation_error", { message: sentence, details: { types: [sentence] } });
  }
  const chosen = SEARCHED.filter(({ plural }) => types.includes(plural));
  for (const { scope } of chosen) requireScope(principal, `${scope}:read`);
  return chosen;
}
