import { z } from "zod";
import { claimsOf } from "../../../shared/db/records.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { validate } from "../../../shared/http/validation.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { allowOnly } from "../../../shared/query/list_query.ts";
import { resourceNamed } from "../../../shared/resources/all.ts";
import { shownTime } from "../../../shared/resources/time.ts";
import { absent, recordId } from "./addressed.ts";
import { writeOne } from "./write.ts";
import { readFlag } from "./write_options.ts";

interface Merge {
  id: string;
  resource: string;
  winner_id: string;
  loser_ids: string[];
  created_at: string;
  created_by: unknown;
  reverted_at: string | null;
  reverted_by: unknown;
}

/** `GET /v1/merges/{id}` */
export async function readMerge(exchange: AuthorizedExchange): Promise<Reply> {
  allowOnly(exchange.url.searchParams, []);
  const merge = await findMerge(exchange);
  requireScope(exchange.principal, `${resourceNamed(merge.resource).scope}:read`);
  return {
    data: {
      ...merge,
      created_at: shownTime(merge.created_at),
      reverted_at: merge.reverted_at === null ? null : shownTime(merge.reverted_at),
    },
  };
}

/** `POST /v1/merges/{id}/revert`: answers with the winner as it is afterwards. */
export async function revertMerge(exchange: AuthorizedExchange): Promise<Reply> {
  const options = allowOnly(exchange.url.searchParams, ["dry_run"]);
  validate(z.strictObject({}), exchange.body);
  const merge = await findMerge(exchange);
  const resource = resourceNamed(merge.resource);
  requireScope(exchange.principal, `${resource.scope}:write`);
  return writeOne(resource, exchange, {
    operation: "revert_merge",
    records: [{ id: merge.winner_id, merge_id: merge.id }],
    dryRun: readFlag(options, "dry_run"),
  });
}

async function findMerge(exchange: AuthorizedExchange): Promise<Merge> {
  const { services, principal } = exchange;
  const row = await services.database.find("merges", recordId(exchange), claimsOf(principal));
  if (row === undefined) throw await absent(exchange);
  return row as unknown as Merge;
}
