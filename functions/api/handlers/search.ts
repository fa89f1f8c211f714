import { z } from "zod";
import { isGranted } from "../../../shared/auth/principal.ts";
import { claimsOf } from "../../../shared/db/records.ts";
import type { AuthorizedExchange } from "../../../shared/http/exchange.ts";
import { parameters } from "../../../shared/http/parameters.ts";
import type { Handler, Query } from "../../../shared/http/route.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { pageParameters, someOf } from "../../../shared/query/parameters.ts";
import { shownColumns } from "../../../shared/query/read_plan.ts";
import { escapeLike, readTyped, wordPattern } from "../../../shared/query/words.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { answerPage } from "./page.ts";

/** What is searched: every resource that has words to be found by, but for what is part of another one. */
function searchedOf(resources: readonly Resource[]): Resource[] {
  return resources.filter(
    ({ fields, parent }) => parent === undefined && Object.values(fields).some((field) => field.searched),
  );
}

type Asked = { q: string; types?: string[] | undefined; limit: number; cursor?: string | undefined };

export function searchQuery(resources: readonly Resource[]): Query<Asked> {
  const types = searchedOf(resources).map(({ plural }) => plural);
  return parameters({ q: z.string(), types: someOf("type", types).optional(), ...pageParameters });
}

/** A record that was found, and how well it fits. */
export function hitOf(resources: readonly Resource[]): z.ZodType {
  const hits = searchedOf(resources).map(({ singular, record }) =>
    z.strictObject({ type: z.literal(singular), id: z.uuid(), score: z.number(), data: record }),
  );
  return z.union(hits);
}

/**
 * `GET /v1/search?q=`: what a person typed, in every resource that the key may read, best first (see
 * `crm.search_score`). `types=contacts,deals` narrows it.
 */
export const searchEverything: Handler<Asked> = async (exchange, { query }) => {
  const { services, principal } = exchange;
  const { limit, cursor } = query;
  const { words, phrase } = readTyped(query.q, "q");
  const types = searchedTypes(exchange, query.types);
  return answerPage(exchange, {
    of: "search",
    sort: "-score,-created_at,-id",
    filter: JSON.stringify([query.q, types.map(({ plural }) => plural)]),
    limit,
    cursor,
    read(after) {
      const argument = {
        types: types.map((type) => ({ type: type.singular, table: type.table, columns: shownColumns(type) })),
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
function searchedTypes(exchange: AuthorizedExchange, named: string[] | undefined): Resource[] {
  const { principal, version } = exchange;
  const chosen = searchedOf(version.resources).filter(({ plural }) => named?.includes(plural) ?? true);
  const readable = chosen.filter(({ scope }) => isGranted(principal, `${scope}:read`));
  const missing =
    named === undefined && readable.length > 0 ? undefined : chosen.find((one) => !readable.includes(one));
  for (const { scope } of missing === undefined ? readable : [missing]) requireScope(exchange, `${scope}:read`);
  return readable;
}
