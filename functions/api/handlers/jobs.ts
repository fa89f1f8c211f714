import { z } from "zod";
import { cancelJob } from "../../../shared/db/jobs.ts";
import { claimsOf, type RecordData } from "../../../shared/db/records.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { validate } from "../../../shared/http/validation.ts";
import { allowOnly, parseReadUrl } from "../../../shared/query/list_query.ts";
import { jobs } from "../../../shared/resources/jobs.ts";
import { present } from "../../../shared/resources/present.ts";
import { absent, recordId } from "./addressed.ts";
import { listOwn } from "./page.ts";

/** `GET /v1/jobs` */
export function listJobs(exchange: AuthorizedExchange): Promise<Reply> {
  return listOwn(jobs, exchange);
}

/** `GET /v1/jobs/{id}` */
export async function readJob(exchange: AuthorizedExchange): Promise<Reply> {
  const { services, principal, url } = exchange;
  const { fields } = parseReadUrl(jobs, url.searchParams);
  const row = await services.database.find("jobs", recordId(exchange), claimsOf(principal));
  if (row === undefined) throw await absent(exchange);
  return { data: present(jobs, row, fields) };
}

/** `POST /v1/jobs/{id}/cancel`: it stops where it is, and what is done stays done. */
export async function stopJob(exchange: AuthorizedExchange): Promise<Reply> {
  allowOnly(exchange.url.searchParams, []);
  validate(z.strictObject({}), exchange.body);
  const { services, principal } = exchange;
  return { data: present(jobs, await cancelJob(services.database, claimsOf(principal), recordId(exchange))) };
}

/** The answer to a request whose change goes on in a job. */
export function acceptedJob({ services }: AuthorizedExchange, row: RecordData): Reply {
  const data = present(jobs, row);
  return { status: 202, data, headers: { Location: `${services.config.publicApiUrl}/v1/jobs/${data["id"]}` } };
}
