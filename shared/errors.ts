/** Every error the API can answer: its status and the sentence that is shown when none is given. */
export const ERRORS = {
  validation_error: [400, "The request is not valid."],
  test_only: [400, "The X-Test-Scenario header works in a sandbox only, with a key that begins with anx_test_."],
  malformed_json: [400, "The request body is not valid JSON."],
  unknown_field: [400, "The request body has a field that does not exist."],
  read_only_field: [400, "The request body sets a field that is read-only."],
  unknown_parameter: [400, "The request has a query parameter that does not exist."],
  invalid_filter: [400, "A filter is not valid."],
  invalid_sort: [400, "The sort parameter is not valid."],
  invalid_cursor: [400, "The cursor is not valid for this request."],
  https_required: [301, "The API is served over https only. Follow the Location header."],
  missing_api_key: [401, "The Authorization header is missing. Send: Authorization: Bearer YOUR_API_KEY."],
  malformed_authorization: [401, "The Authorization header must be: Bearer YOUR_API_KEY."],
  invalid_api_key: [401, "The API key is not valid. It may have been mistyped or revoked."],
  expired_api_key: [401, "The API key has expired. Create a new one under Settings → API → API Keys."],
  invalid_session: [401, "The session is not valid. Sign in again."],
  invalid_signature: [401, "The signature of the body is missing, or GitHub did not make it."],
  expired_session: [401, "The session has expired. Refresh it, or sign in again."],
  invitation_for_another_address: [
    403,
    "The invitation is for another address than the one you have confirmed. Sign in with the address that it was sent to.",
  ],
  user_required: [403, "API keys can't do this. Sign in as a user of the workspace whose role allows it."],
  insufficient_role: [403, "Your role in the workspace does not allow this. Ask an owner or an admin."],
  ip_not_allowed: [403, "The API key may not be used from this address. Its allowed_ips say from where."],
  insufficient_scope: [403, "The API key does not have permission to access this resource."],
  not_found: [404, "The requested resource does not exist."],
  live_workspace_required: [
    422,
    "A sandbox has the people of its workspace and no sandboxes of its own. Name the workspace itself in X-Workspace-Id.",
  ],
  workspace_not_found: [404, "The workspace does not exist, or you are not a member of it."],
  unknown_version: [404, "This API version does not exist."],
  method_not_allowed: [405, "This path does not support the method."],
  duplicate_email: [409, "Another record already has this email."],
  duplicate_external_id: [409, "Another record already has this external_id."],
  duplicate_domain: [409, "Another record already has this domain."],
  duplicate_name: [409, "Another record already has this name."],
  deal_already_won: [409, "The deal is won already."],
  deal_already_lost: [409, "The deal is lost already."],
  deal_closed: [409, "The deal is closed. Reopen it before changing its amount or stage."],
  deal_not_closed: [409, "The deal is open, so it can't be reopened."],
  task_already_completed: [409, "The task is completed already."],
  task_cancelled: [409, "The task is cancelled. Reopen it first."],
  task_not_closed: [409, "The task is neither completed nor cancelled, so it can't be reopened."],
  stage_in_use: [409, "The stage has deals. Move them first, or send ?move_to= with another stage's id."],
  pipeline_in_use: [409, "The pipeline has deals. Move them first, or send ?move_to= with another pipeline's id."],
  field_in_use: [
    409,
    "Records have values in the custom field. Clear them first, or send ?move_to= with another field's id.",
  ],
  last_stage_of_type: [409, "A pipeline needs at least one stage of each type: open, won, lost."],
  default_pipeline_required: [409, "A workspace needs a default pipeline. Make another pipeline the default first."],
  merged: [409, "The record was merged into the one in details.merged_into. Change that one."],
  merge_already_reverted: [409, "The merge was reverted already."],
  merge_not_finished: [
    409,
    "The references of this merge are still being moved. Revert it when the job in details.job_id has ended, or cancel the job first.",
  ],
  merge_not_revertible: [
    409,
    "The merge can't be reverted, because its records have been deleted or merged again since.",
  ],
  import_not_uploading: [409, "The import has started, so it takes no more parts."],
  import_finished: [409, "The import has ended already."],
  job_finished: [409, "The job has ended already."],
  too_many_imports: [
    409,
    "The workspace has too many imports that have not ended. Wait for some of them, or cancel them.",
  ],
  upload_quota_exceeded: [
    409,
    "The imports that have not ended hold as much text as a workspace may have. Wait for some of them, or cancel them.",
  ],
  import_reports_full: [
    409,
    "The reports of the workspace's imports take as much room as they may. Wait until older ones are deleted, 30 days after their imports.",
  ],
  too_many_jobs: [409, "The workspace has too many jobs that have not ended. Wait for some of them, or cancel them."],
  idempotency_in_progress: [409, "A request with this Idempotency-Key is still running. Retry in a moment."],
  api_key_revoked: [409, "The API key is revoked."],
  api_key_expired: [409, "The API key has expired."],
  api_key_rolled: [409, "The API key was rolled already. Its successor is the one in details.rolled_to."],
  api_key_limit_reached: [409, "The workspace has as many live API keys as it may. Revoke one that is not used."],
  idempotency_key_used: [
    409,
    "This Idempotency-Key has made an API key already, and a key is shown only once. If you have lost it, roll the one in details.id.",
  ],
  sandbox_limit_reached: [409, "The workspace has as many sandboxes as it may. Delete one of them."],
  sandbox_not_ready: [409, "The sandbox is being reset or deleted. GET /v1/jobs says how far that is."],
  webhook_limit_reached: [409, "The workspace has as many endpoints as it may. Delete one that is not used."],
  webhook_not_paused: [409, "The endpoint is active. Pause it before it begins at another position."],
  webhook_paused: [409, "The endpoint is paused. Resume it first."],
  nothing_to_redeliver: [409, "A doorbell only says that there are events. Read them from the feed."],
  too_many_tests: [429, "As many tests of the endpoint as may are on their way. Wait until they have arrived."],
  last_owner: [409, "A workspace needs an owner. Make another member an owner first."],
  already_member: [409, "This person is a member of the workspace already."],
  already_invited: [409, "This address has an invitation already. Revoke that one to send another."],
  invitation_limit_reached: [409, "The workspace has as many open invitations as it may. Revoke some of them."],
  invitation_not_pending: [409, "The invitation was accepted or revoked, or has expired. Ask for a new one."],
  events_expired: [
    410,
    "Events are kept for 30 days, and those after this position are older. Take a new copy, and follow the feed from the position that it names.",
  ],
  precondition_failed: [
    412,
    'The record has changed since the version in If-Match. Read it again and retry with its new ETag, such as "3.k1Jx0aVb2c".',
  ],
  request_timeout: [408, "The request body did not arrive in time. Send it again, or in smaller parts."],
  payload_too_large: [413, "The request body is too large."],
  uri_too_long: [414, "The URL is too long. Send long filters to POST /v1/<resource>/search."],
  unsupported_media_type: [415, "The request body must be sent with Content-Type: application/json."],
  idempotency_key_reused: [
    422,
    "This Idempotency-Key was used with another request. Use a new key for each operation.",
  ],
  query_too_expensive: [422, "The question takes too long to answer. Narrow it with a filter, or ask for less."],
  scope_cannot_widen: [422, "A key's rights can only become narrower. Create another key for more."],
  expiry_cannot_extend: [422, "A key's expiry can only become earlier. Create another key for a longer time."],
  expiry_in_past: [422, "The expires_at must be in the future."],
  url_not_allowed: [422, "Events can't be sent to this URL."],
  position_not_reached: [422, "No event has this position yet. The newest one is details.newest."],
  reference_not_found: [422, "A referenced record does not exist."],
  stage_not_in_pipeline: [422, "The stage belongs to another pipeline."],
  stage_requirements_unmet: [422, "The deal lacks fields that the stage requires."],
  stage_transition_not_allowed: [422, "The pipeline does not allow this move."],
  lost_reason_required: [422, "The pipeline requires a lost_reason when a deal is lost."],
  circular_reference: [422, "A company can't be its own parent, directly or through others."],
  hierarchy_too_deep: [422, "Companies may be nested at most 10 levels deep."],
  self_merge: [422, "A record can't be merged into itself."],
  too_many_tags: [422, "The merged record would have more than 50 tags. Remove some of details.tags first."],
  currency_required: [422, "An amount needs a currency."],
  reminder_after_due: [422, "The remind_at may not be after the due_at."],
  end_before_start: [422, "The ends_at must be after the starts_at."],
  occurred_in_future: [422, "The occurred_at may not be more than 5 minutes in the future."],
  rate_limit_exceeded: [
    429,
    "You have exceeded the rate limit. Wait and retry after the time in the Retry-After header.",
  ],
  too_many_concurrent_requests: [
    429,
    "The workspace has too many requests under way at once. Wait for some of them to end, then retry.",
  ],
  too_many_acts: [
    429,
    "The workspace has changed its keys, people, sandboxes and endpoints as often as it may in 24 hours. Retry later.",
  ],
  idempotency_storage_full: [
    429,
    "The workspace keeps too much for its Idempotency-Keys. Send smaller bulk requests, or wait until older answers expire after 24 hours.",
  ],
  too_many_mails: [
    429,
    "The workspace has sent as many mails as it may in 24 hours. Wait until the first of them are older.",
  ],
  internal_error: [
    500,
    "An unexpected error occurred on our end. If this persists, contact support with the request_id.",
  ],
  service_unavailable: [503, "The service is temporarily unavailable. Retry after the time in the Retry-After header."],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorStatus = (typeof ERRORS)[ErrorCode][0];

/** Sentences by field, in the published style: `{"email": ["The email field is required."]}`. */
export type FieldErrors = Record<string, string[]>;

interface ApiErrorOptions {
  /** Replaces the code's own sentence; shown to the client. */
  message?: string;
  details?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** Replaces the code's own status: what was merged is a redirect to those who read. */
  status?: 301;
  /** For the log only; nothing of it is ever shown. */
  cause?: unknown;
}

/** What a request is refused with, thrown by name. The client sees the code's public text, never the cause. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown>;
  readonly headers: Record<string, string>;
  readonly status: ErrorStatus;

  constructor(code: ErrorCode, { message, details = {}, headers = {}, status, cause }: ApiErrorOptions = {}) {
    super(message ?? ERRORS[code][1], { cause });
    this.name = "ApiError";
    this.code = code;
    this.details = details;
    this.headers = headers;
    this.status = status ?? ERRORS[code][0];
  }
}

/** What is wrong at one place of a request, in one sentence, which is the message too. */
export function fieldError(code: ErrorCode, at: string, sentence: string): ApiError {
  return new ApiError(code, { message: sentence, details: { [at]: [sentence] } satisfies FieldErrors });
}

/** An error as it is kept and shown later: of a job, or of a row of an import. */
export interface ReportedError {
  code: string;
  message: string;
  details: Record<string, unknown>;
}

/** What is shown of an error. */
export function reported({ code, message, details }: ApiError): ReportedError {
  return { code, message, details };
}

/** Narrows a code that SQL raised to one of ours. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** Whether an error says that whoever asks has no place here: with no key or session, or as nobody's colleague. */
export function isRefusal({ status, code }: ApiError): boolean {
  return status === 401 || code === "workspace_not_found";
}
