import { claimsOf, type RecordData } from "../../../shared/db/records.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { cancelJob } from "../../../shared/jobs/changes.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import { jobs } from "../../../shared/resources/jobs.ts";
import { present } from "../../../shared/resources/present.ts";
import { findVisible, recordId, urlOf } from "./addressed.ts";

/** `GET /v1/jobs/{id}` */
export const readJob: Handler<Pick<ListQuery, "fields">> = async (exchange, { query }) => ({
  data: present(jobs, await findVisible(exchange, "jobs", recordId(exchange)), query.fields),
});

/** `POST /v1/jobs/{id}/cancel`: it stops where it is, and what is done stays done. */
export const stopJob: Handler<{ dry_run: boolean }> = async (exchange, { query }) => {
  const { services, principal } = exchange;
  const row = await cancelJob(services.database, claimsOf(principal), { id: recordId(exchange), ...query });
  return { data: present(jobs, row), ...(query.dry_run && { meta: { dry_run: true } }) };
};

/** The answer to a request whose change goes on in a job. */
export function acceptedJob(exchange: AuthorizedExchange, row: RecordData): Reply {
  const data = present(jobs, row);
  return { status: 202, data, headers: { Location: urlOf(exchange, `/jobs/${data["id"]}`) } };
}
