import { resources } from "./all.ts";
import type { Resource } from "./define.ts";

/** What changes of some fields are called beside `updated` (`crm.render_special_types`). */
const SPECIAL: Record<string, readonly string[]> = {
  deal: ["stage_changed", "won", "lost", "reopened"],
  task: ["completed", "reopened"],
};

/** What happens beside the versions of records (platform.md §14). */
const OTHERS = {
  import: ["completed", "failed"],
  api_key: ["created", "updated", "rolled", "revoked", "expiring", "leaked"],
  webhook: ["created", "updated", "deleted", "paused", "resumed", "failing", "secret_rotated"],
  member: ["invited", "invitation_revoked", "joined", "role_changed", "removed"],
  sandbox: ["created", "reset", "deleted"],
  changelog: ["published"],
};

/** The resources whose records have versions, each of which is an event. */
export const versioned: readonly Resource[] = resources.filter(({ operations }) => operations.includes("create"));

/** Every name that an event can have. */
export const EVENT_TYPES: readonly string[] = [
  ...versioned.flatMap(({ singular, operations, mergeable }) => [
    ...["created", "updated", "deleted"].map((what) => `${singular}.${what}`),
    ...(operations.includes("restore") ? [`${singular}.restored`] : []),
    ...(mergeable ? [`${singular}.merged`] : []),
    ...(SPECIAL[singular] ?? []).map((what) => `${singular}.${what}`),
  ]),
  ...Object.entries(OTHERS).flatMap(([singular, names]) => names.map((what) => `${singular}.${what}`)),
];

/** What can be asked for: one kind of event, all of a resource, and everything. */
export const EVENT_PATTERNS: readonly string[] = [
  ...EVENT_TYPES,
  ...new Set(EVENT_TYPES.map((type) => `${type.split(".")[0]}.*`)),
  "*",
];
