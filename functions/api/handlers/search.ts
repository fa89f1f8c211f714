import { isGranted } from "../../../shared/auth/principal.ts";
import { claimsOf } from "../../../shared/db/records.ts";
import { fieldError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { allowOnly, parseLimit } from "../../../shared/query/list_query.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import { escapeLike, readTyped, type Typed, wordPattern } from "../../../shared/query/words.ts";
import { resources } from "../../../shared/resources/all.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { namesIn } from "../../../shared/resources/plain_text.ts";
import { present } from "../../../shared/resources/present.ts";
import { explainExpense, type PageRequest, pageOf, positionOf, totalOf } from "./page.ts";

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
  const { words, phrase } = readQuery(options.get("q"));
  const types = readTypes(exchange, options.get("types"));
  const request: PageRequest = {
    scope: {
      workspace: principal.workspaceId,
      resource: "search",
      sort: "-score,-created_at,-id",
      filter: JSON.stringify([words, phrase, types.map(({ plural }) => plural)]),
    },
    limit,
    cursor: options.get("cursor"),
  };
  const position = positionOf(exchange, request);
  const argument = {
    types: types.map(({ singular, table, names }) => ({ type: singular, table, columns: names.all })),
    patterns: words.map(wordPattern),
    phrase,
    word_starts: words.map((word) => `% ${escapeLike(word)}%`),
    limit: limit + 1,
    total: position === undefined,
    ...(position && { after: position.values }),
  };
  const found = await services.database.call("search_everything", argument, claimsOf(principal)).catch((error) => {
    throw explainExpense(error, ["Search for longer words, or name fewer types=."]);
  });
  const { shown, meta, headers } = pageOf(exchange, request, found, {
    valuesOf: (row) => [String(row["score"]), String(row["created_at"]), String(row["id"])],
    total: found.bounded ? { total: null } : totalOf(exchange, position, found.total),
    carry: !found.bounded,
  });
  return {
    data: shown.map(({ type, id, score, data }) => ({
      type,
      id,
      score,
      data: presentHit(types, String(type), data as Record<string, unknown>),
    })),
    meta: { ...meta, ...(found.bounded && found.total !== null && { total_at_least: found.total }) },
    headers,
  };
}

function presentHit(types: readonly Resource[], type: string, data: Record<string, unknown>): Record<string, unknown> {
  const resource = types.find(({ singular }) => singular === type);
  return resource === undefined ? data : present(resource, data);
}

function readQuery(raw: string | undefined): Typed {
  if (raw !== undefined) return readTyped(raw, "q");
  throw fieldError("validation_error", { q: ["The q parameter is required."] });
}

function readTypes(exchange: AuthorizedExchange, raw: string | undefined): Resource[] {
  const { principal } = exchange;
  if (raw === undefined) {
    const readable = SEARCHED.filter(({ scope }) => isGranted(principal, `${scope}:read`));
    if (readable.length === 0) requireScope(principal, `${SEARCHED[0]?.scope}:read`);
    return readable;
  }
  const names = SEARCHED.map(({ plural }) => plural);
  const types = [...new Set(namesIn(raw))];
  const unknown = types.find((type) => !names.includes(type));
  if (unknown !== undefined) {
    throw fieldError("validation_error", { types: [unknownName("type", unknown, names)] });
  }
  const chosen = SEARCHED.filter(({ plural }) => types.includes(plural));
  for (const { scope } of chosen) requireScope(principal, `${scope}:read`);
  return chosen;
}
