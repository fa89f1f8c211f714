import { z } from "zod";
import type { AuthorizedExchange } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { resourceNamed } from "../../../shared/resources/all.ts";
import { actor } from "../../../shared/resources/common.ts";
import { shownTime } from "../../../shared/resources/time.ts";
import { findVisible, recordId } from "./addressed.ts";
import { writeOne } from "./write.ts";

/** A merge as it is shown. */
export const mergeData = z.strictObject({
  id: z.uuid(),
  resource: z.enum(["contacts", "companies"]),
  winner_id: z.uuid(),
  loser_ids: z.array(z.uuid()),
  created_at: z.string(),
  created_by: actor,
  reverted_at: z.string().nullable(),
  reverted_by: actor.nullable(),
});

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
export const readMerge: Handler = async (exchange) => {
  const merge = await findMerge(exchange);
  requireScope(exchange, `${resourceNamed(merge.resource, exchange.version.resources).scope}:read`);
  return {
    data: {
      ...merge,
      created_at: shownTime(merge.created_at),
      reverted_at: merge.reverted_at === null ? null : shownTime(merge.reverted_at),
    },
  };
};

/** `POST /v1/merges/{id}/revert`: answers with the winner as it is afterwards. */
export const revertMerge: Handler<{ dry_run: boolean }> = async (exchange, { query, idempotency }) => {
  const merge = await findMerge(exchange);
  const resource = resourceNamed(merge.resource, exchange.version.resources);
  requireScope(exchange, `${resource.scope}:write`);
  return writeOne(resource, exchange, {
    operation: "revert_merge",
    records: [{ id: merge.winner_id, merge_id: merge.id }],
    dryRun: query.dry_run,
    idempotency,
  });
};

async function findMerge(exchange: AuthorizedExchange): Promise<Merge> {
  return (await findVisible(exchange, "merges", recordId(exchange))) as unknown as Merge;
}
