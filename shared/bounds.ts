/**
 * How much one request may bring, ask and be answered: every cap of the API stands here and nowhere else. Each is told
 * to the client in the error of the request that goes beyond it.
 */

/** Violations that one answer tells (contract §5); how many there are beyond stands in `details._more`. */
export const MAX_VIOLATIONS = 20;
/** Violations that the entries of one bulk answer tell together; each entry tells one at least. */
export const MAX_BULK_VIOLATIONS = 500;
/** Allowed names that an error lists, and their characters. */
export const MAX_LISTED_NAMES = 100;
export const MAX_LISTED_CHARACTERS = 1_500;
/** Names of one answer for which a similar one is looked for. */
export const MAX_SUGGESTIONS = 5;
/** Characters of a name that an error quotes, and of the path to a field. */
export const MAX_QUOTED = 64;
export const MAX_QUOTED_PATH = 200;

/** Records of a page, related records and fields to sort by of one list, names that a summary is grouped by. */
export const MAX_LIMIT = 100;
export const MAX_INCLUDES = 3;
export const MAX_SORT_FIELDS = 5;
export const MAX_GROUPS = 3;
/** Comparisons of one list or search, those of the URL and of a search body's tree alike, and levels of such a tree. */
export const MAX_COMPARISONS = 50;
export const MAX_FILTER_DEPTH = 5;
/** Values of one list such as `status[in]=…`. */
export const MAX_VALUES = 100;
/** Characters of what is searched for, and words of it that count. */
export const MAX_SEARCH_LENGTH = 500;
export const MAX_SEARCH_WORDS = 10;
/** Characters of a text that is filtered by. */
export const MAX_FILTER_LENGTH = 1000;
/** Characters of a filter tree as it is compared. */
export const MAX_FILTER_TREE = 256 * 1024;
/** Bytes of a path and its query. */
export const MAX_URL_BYTES = 16 * 1024;

/** Bytes of a JSON body, of one with many records, and levels of nesting in either. */
export const MAX_BODY_BYTES = 1024 * 1024;
export const MAX_BULK_BODY_BYTES = 5 * 1024 * 1024;
export const MAX_BODY_DEPTH = 32;
/** Values of a body, containers included: parsed, each takes many times its text. */
export const MAX_BODY_VALUES = 100_000;
/** How long a body may take to come, and how long nothing of it may. */
export const MAX_BODY_MS = 60_000;
export const MAX_BODY_PAUSE_MS = 10_000;
/** Bytes of a body that is read at once, and of one that is read in one turn; a larger one takes a turn for each part of the work. */
export const BRIEF_BODY_BYTES = 32 * 1024;
export const ONE_TURN_BODY_BYTES = 512 * 1024;
/** Bytes of a body that takes no place; larger ones of a workspace that an isolate receives at once, and bytes for all. */
export const FREE_BODY_BYTES = 64 * 1024;
export const MAX_UPLOADS_AT_ONCE = 2;
export const MAX_UPLOADED_AT_ONCE_BYTES = 32 * 1024 * 1024;
/** Bytes of bodies that an isolate parses and answers at once, for one workspace and for all. */
export const MAX_BODY_BYTES_AT_WORK_OF_ONE = MAX_BULK_BODY_BYTES;
export const MAX_BODY_BYTES_AT_WORK = 2 * MAX_BULK_BODY_BYTES;
/** Records of one bulk request. */
export const MAX_BULK_RECORDS = 1000;
/** Stages of new pipelines that these have together: each is a row of its own beside the record. */
export const MAX_BULK_STAGES = 3000;
/** Members of an object whose members nobody declared: `custom_fields`, `data`, `mapping`. */
export const MAX_MEMBERS = 1000;
/** Cells of a row that an import's report quotes, columns and bytes of its header. */
export const MAX_GIVEN_CELLS = 5;
export const MAX_COLUMNS = 1000;
export const MAX_HEADER_BYTES = 256 * 1024;
/** Bytes of an import's mapping as JSON; each import is listed with its own. */
export const MAX_MAPPING_BYTES = 64 * 1024;
/** Bytes of a row of an import, as of the body that it would be. */
export const MAX_ROW_BYTES = MAX_BODY_BYTES;
/** Bytes of one import, of all of a workspace's that have not ended, and how many those may be. */
export const MAX_IMPORT_BYTES = 1024 * 1024 * 1024;
export const MAX_UPLOADED_BYTES = 2 * MAX_IMPORT_BYTES;
export const MAX_UNFINISHED_IMPORTS = 50;
/** Bytes of all reports that a workspace has, those of 30 days. */
export const MAX_REPORT_BYTES = 2 * MAX_IMPORT_BYTES;
/** Rows that failed which the report of an import lists; those beyond are counted in `failed_unlisted`. */
export const MAX_LISTED_FAILURES = 10_000;
/** Jobs of a workspace that have not ended. */
export const MAX_UNFINISHED_JOBS = 20;
/** Names and patterns of events that an endpoint is sent, and characters of its filter; each is listed with its own. */
export const MAX_EVENT_PATTERNS = 50;
export const MAX_WEBHOOK_FILTER = 64 * 1024;
/** How long the secret before goes on being used after a rotation: a week, and a day where nothing is said. */
export const MAX_ROTATION_GRACE_SECONDS = 604_800;
export const ROTATION_GRACE_SECONDS = 86_400;
/** Bytes of an activity's `body`, and of its `data` as JSON. */
export const MAX_ACTIVITY_BODY_BYTES = 64 * 1024;
export const MAX_DATA_BYTES = 64 * 1024;

/** Records of one request from which on its write takes a place of those for bulk writes. */
export const MIN_BULK_RECORDS = 50;
/** What one workspace has under way in the database at once, of an isolate's; the database bounds all isolates (`gate.admit`). */
export const MAX_AT_ONCE = { call: 3, bulk: 1, job: 2 };
/** Calls that wait for their turn, how long, and how long a place rests that others wait for while other workspaces have calls. */
export const MAX_CALLS_WAITING = 400;
export const MAX_WAIT_MS = 5_000;
export const MAX_REST_MS = 200;
/** How long a bulk write waits for its turn: those before it take a second each. */
export const MAX_BULK_WAIT_MS = 15_000;
/** How much later the scenario `slow` answers, and how many of a workspace an isolate has wait for that. */
export const SLOW_SCENARIO_MS = 10_000;
export const MAX_SLOW_AT_ONCE = 10;
/** Events of one page, and how long a request may wait for the first of them, and how many of a workspace an isolate has wait. */
export const MAX_EVENTS = 1_000;
export const MAX_EVENT_WAIT_SECONDS = 20;
export const MAX_EVENT_WAITS_AT_ONCE = 10;
/** How long a page of an export waits for its turn: a file that is under way must not break off. */
export const MAX_EXPORT_WAIT_MS = 30_000;

/** Characters of the URL of a webhook. */
export const MAX_WEBHOOK_URL_LENGTH = 2_000;
/** How long a whole attempt at a delivery may take: looking up, connecting, sending, the answer. */
export const WEBHOOK_TIMEOUT_MS = 15_000;
/** Bytes of a receiver's answer that are read, those of its head, and those of its body that are kept. */
export const MAX_ANSWER_BYTES = 64 * 1024;
export const MAX_ANSWER_HEAD_BYTES = 16 * 1024;
export const MAX_ANSWER_KEPT_BYTES = 1024;
/** How long a receiver may ask to be left alone. */
export const MAX_RETRY_AFTER_SECONDS = 24 * 60 * 60;
/** Endpoints that an isolate sends to at once, and deliveries to one of them. */
export const MAX_ENDPOINTS_AT_ONCE = 16;
export const MAX_DELIVERIES_AT_ONCE = 16;
/** Tries of a delivery. */
export const MAX_TRIES = 10;
