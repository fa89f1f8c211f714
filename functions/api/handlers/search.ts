import { z } from "zod";
import { isGranted, type Principal } from "../../../shared/auth/principal.ts";
import { claimsOf } from "../../../shared/db/records.ts";
import { pageParameters, parameters, someOf } from "../../../shared/http/parameters.ts";
import type { Handler, Query } from "../../../shared/http/route.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { escapeLike, readTyped, wordPattern } from "../../../shared/query/words.ts";
import { resources } from "../../../shared/resources/all.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { answerPage } from "./page.ts";

/** What is searched: every resource that has words to be found by, but for what is part of another one. */
const SEARCHED = resources.filter(
  ({ fields, parent }) => parent === undefined && Object.values(fields).some((field) => field.searched),
);

type Asked = { q: string; types?: string[] | undefined; limit: number; cursor?: string | undefined };

export const searchQuery: Query<Asked> = parameters({
  q: z.string(),
  types: someOf(
    "type",
    SEARCHED.map(({ plural }) => plural),
  ).optional(),
  ...pageParameters,
});

/** A record that was found, and how well it fits. */
export const hit = z.discriminatedUnion(
  "type",
  SEARCHED.map(({ singular, record }) =>
    z.strictObject({ type: z.literal(singular), id: z.uuid(), score: z.number(), data: record }),
  ) as never,
);

/**
 * `GET /v1/search?q=`: what a person typed, in every resource that the key may read, best first (see
 * `crm.search_score`). `types=contacts,deals` narrows it.
 */
export const searchEverything: Handler<Asked> = async (exchange, { query }) => {
  const { services, principal } = exchange;
  const { limit, cursor } = query;
  const { words, phrase } = readTyped(query.q, "q");
  const types = searchedTypes(principal, query.types);
  return answerPage(exchange, {
    of: "search",
    sort: "-score,-created_at,-id",
    filter: JSON.stringify([query.q, types.map(({ plural }) => plural)]),
    limit,
    cursor,
    read(after) {
      const argument = {
        types: types.map(({ singular, table, names }) => ({ type: singular, table, columns: names.all })),
        patterns: words.map(wordPattern),
        phrase,
        word_starts: words.map((word) => `% ${escapeLike(word)}%`),
        limit: limit + 1,
        total: after === undefined,
        ...(after && { after: after.values }),
      };
      return services.database.call("search_everything", argument, claimsOf(principal));
    },
    valuesOf: (row) => [row["score"], row["created_at"], row["id"]],
    show: (rows) =>
      rows.map(({ type, id, score, data }) => ({
        type,
        id,
        score,
        data: presentHit(types, String(type), data as Record<string, unknown>),
      })),
    carriesTotal: true,
    advice: ["Search for longer words, or name fewer types=."],
  });
};

function presentHit(types: readonly Resource[], type: string, data: Record<string, unknown>): Record<string, unknown> {
  const resource = types.find(({ singular }) => singular === type);
  return resource === undefined ? data : present(resource, data);
}

/** @throws ApiError `insufficient_scope` for a type that was named, or when the key may read none */
function searchedTypes(principal: Principal, named: string[] | undefined): Resource[] {
  const chosen = SEARCHED.filter(({ plural }) => named?.includes(plural) ?? true);
  const readable = chosen.filter(({ scope }) => isGranted(principal, `${scope}:read`));
  const missing =
    named === undefined && readable.length > 0 ? undefined : chosen.find((one) => !readable.includes(one));
  if (missing !== undefined) requireScope(principal, `${missing.scope}:read`);
  return readable;
}
