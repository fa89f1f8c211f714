import type { Principal } from "../auth/principal.ts";
import { callWithRetry, type Database } from "./database.ts";
import { claimsOf, type Idempotency, type RecordData } from "./records.ts";

/** Where a request came from. */
export interface RequestContext {
  ip: string;
  user_agent: string | null;
  request_id: string;
}

/** What people do to keys, members, sandboxes and endpoints: an act of `crm.acts`, with what it takes. */
export interface Act {
  act: string;
  given: RecordData;
  /** For the audit log. */
  context: RequestContext;
  dryRun: boolean;
  idempotency?: Idempotency | undefined;
}

export interface ActArgument extends Omit<Act, "dryRun"> {
  dry_run: boolean;
}

export interface ActAnswer {
  /** As it is shown. */
  record: RecordData;
  /** The job that goes on with it, where it is too large for a request. */
  job: RecordData | null;
  /** The first answer's id and time, when this is a repetition of it. */
  replayed: { request_id: string; timestamp: string } | null;
}

/** Does an act in one transaction, with an entry in the audit log, if the principal may. @throws ApiError what SQL refuses */
export async function doAct(database: Database, principal: Principal, { dryRun, ...act }: Act): Promise<ActAnswer> {
  return callWithRetry(database, "act", { ...act, dry_run: dryRun }, claimsOf(principal));
}
