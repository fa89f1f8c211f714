import type { Plan } from "../limits/plans.ts";
import type { CustomField } from "../query/query_context.ts";
import type { ReadPlan } from "../query/read_plan.ts";
import type { ActAnswer, ActArgument, RequestContext } from "./acts.ts";
import type {
  ClaimedImport,
  ClaimedJob,
  ClaimedMail,
  CreatedImport,
  ImportAdvance,
  ImportStart,
  ImportStatus,
  JobState,
  NewImport,
  UploadBounds,
} from "./long_work.ts";
import type { StoredPhone } from "./phones.ts";
import type { Idempotency, ReadResult, RecordData, WriteArgument, WrittenAnswer } from "./records.ts";
import type { ClaimedWebhook, Settled, Settlement } from "./webhooks.ts";

/**
 * The functions of schema `api`, with what each takes and answers as JSON. Kept by hand: SQL types say `json` of nearly all
 * of them. A test compares the names with the database, the suites the rest.
 */
export interface ApiFunctions {
  // What the function may know before it knows who asks.
  find_api_key(asked: { key_hash: string }): ApiKeyRow | null;
  find_memberships(asked: { user_id: string }): MembershipRow[] | null;
  note_use(use: NotedUse): null;
  report_leaked_keys(report: LeakReport): string[];
  accept_invitation(given: {
    invitation_id: string;
    user_id: string;
    name: string | null;
    context: RequestContext;
    dry_run: boolean;
  }): AcceptedInvitation;

  // A request: with the rights of its key or person.
  require_live_key(nothing: Record<string, never>): null;
  read_records(plan: ReadPlan): ReadResult;
  export_records(plan: ReadPlan): Bytes;
  search_everything(asked: SearchPlan): ReadResult & { bounded?: boolean };
  read_timeline(asked: TimelinePlan): ReadResult;
  summarize_deals(plan: ReadPlan): RecordData[];
  deal_transitions(asked: ById): (RecordData & { missing_fields: string[] })[];
  custom_fields_of(asked: { resource: string }): CustomField[];
  read_phones(asked: { resource: string; keys: Record<string, string[]> }): StoredPhone[];
  merged_into(asked: { resource: string; ids: readonly string[] }): Record<string, string>;
  write_records(request: WriteArgument): WrittenAnswer;
  cancel_job(asked: ById & { dry_run: boolean }): RecordData;
  act(request: ActArgument): ActAnswer;
  read_events(
    asked: EventsAsked,
  ): ReadResult & { upto: number; position: number; oldest: number; has_published: boolean };
  used_permissions(asked: ById & { days: number }): Record<string, "read" | "write">;

  create_import(asked: {
    import: NewImport;
    content: string | null;
    bounds: UploadBounds;
    idempotency?: Idempotency;
  }): CreatedImport;
  put_import_part(given: ById & { part: number; content: string; bounds: UploadBounds }): RecordData;
  missing_import_part(asked: ById): number | null;
  start_import(start: ById & ImportStart): RecordData;
  cancel_import(asked: ById): RecordData;
  read_import(asked: ById): RecordData | null;
  read_import_rows(asked: ById & { after: number; limit: number; status?: string }): ReadResult | null;
  read_import_text(part: ById & { from: number; length: number }): Bytes;
  advance_import(batch: Leased & ImportAdvance): { status: ImportStatus };

  // The worker, whom nobody asks.
  claim_import(by: { lease: string; versions: readonly string[] }): ClaimedImport | null;
  release_import(left: Leased & { wait: number; blameless: boolean }): null;
  fail_import(ended: Leased & { error: unknown }): null;
  claim_job(by: { lease: string }): ClaimedJob | null;
  advance_job(claimed: Leased): { state: JobState };
  release_job(left: Leased & { wait: number }): null;
  fail_job(ended: Leased & { error: unknown }): null;
  claim_mail(by: { lease: string; templates: readonly string[] }): ClaimedMail | null;
  finish_mail(sent: Leased): null;
  release_mail(left: Leased & { wait: number }): null;
  claim_webhook(by: { lease: string }): ClaimedWebhook | null;
  settle_webhook(settled: Leased & Settlement): Settled;
  fail_mail(ended: Leased & { error: unknown }): null;
}

export type ApiFunction = keyof ApiFunctions;
export type ArgumentOf<F extends ApiFunction> = Parameters<ApiFunctions[F]>[0];
export type AnswerOf<F extends ApiFunction> = ReturnType<ApiFunctions[F]>;

/** The functions whose answer is text, which nobody looks at on its way. */
export type TextFunction = {
  [F in ApiFunction]: AnswerOf<F> extends Bytes ? F : never;
}[ApiFunction];

type Bytes = Uint8Array<ArrayBuffer>;

interface ById {
  id: string;
}

/** What a worker has claimed: only with its lease may it go on. */
interface Leased extends ById {
  lease: string;
}

interface ApiKeyRow {
  key_id: string;
  key_name: string;
  prefix: string;
  last_four: string;
  scope: "full_access" | "read_only" | "custom";
  permissions: Record<string, "none" | "read" | "write">;
  expires_at: string | null;
  allowed_ips: string[];
  revoked: boolean;
  workspace_id: string;
  workspace_name: string;
  environment: "live" | "sandbox";
  plan: Plan;
}

interface MembershipRow {
  member_id: string;
  role: "owner" | "admin" | "member";
  workspace_id: string;
  workspace_name: string;
  environment: "live" | "sandbox";
  plan: Plan;
}

interface NotedUse {
  workspace_id: string;
  context: RequestContext;
  key_id?: string;
  scopes?: string[];
  user_id?: string;
  session_id?: string | undefined;
}

interface EventsAsked {
  after?: number;
  limit: number;
  types?: string[] | undefined;
  resource?: string | undefined;
  record_id?: string | undefined;
  since?: string | undefined;
}

interface LeakReport {
  source: string;
  context: RequestContext;
  keys: { key_hash: string; url: string }[];
}

interface AcceptedInvitation {
  member: RecordData;
  workspace: { id: string; name: string };
}

interface SearchPlan {
  types: { type: string; table: string; columns: readonly string[] }[];
  patterns: string[];
  phrase: string;
  word_starts: string[];
  limit: number;
  total: boolean;
  after?: readonly (string | null)[];
}

interface TimelinePlan {
  shape: {
    subject: string;
    types: string[];
    columns: Record<string, readonly string[] | undefined>;
    total: boolean;
    continued: boolean;
  };
  id: string;
  limit: number;
  after?: readonly (string | null)[];
}
