import { z } from "zod";
import { apiKeys } from "./api_keys.ts";
import { actor } from "./common.ts";
import { nameOf, type Resource, withDeleted } from "./define.ts";
import { versioned } from "./event_types.ts";
import { historyOf } from "./history.ts";
import { imports } from "./imports.ts";
import { invitations, members } from "./people.ts";
import { present } from "./present.ts";
import { sandboxes } from "./sandboxes.ts";
import { shownTime } from "./time.ts";
import { webhooks } from "./webhooks.ts";

/** What else `data` may be, by the event's `resource`. */
const SHOWN_OTHERS: readonly Resource[] = [apiKeys, imports, invitations, members, sandboxes, webhooks];

/** What an event can be of. */
export const EVENT_RESOURCES: readonly string[] = [
  ...versioned.map(({ plural }) => plural),
  ...SHOWN_OTHERS.map(({ plural }) => plural),
];

const change = z.object({ from: z.unknown(), to: z.unknown() });

/** An event as it is answered and delivered. */
export const event = z.strictObject({
  id: z.uuid(),
  position: z.int(),
  type: z.string(),
  types: z.array(z.string()),
  resource: z.string(),
  record_id: z.uuid(),
  version: z.int().nullable(),
  occurred_at: z.string(),
  actor,
  source: z.string(),
  request_id: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
  changes: z.record(z.string(), change),
});
export type Event = z.infer<typeof event>;

/** An event of `crm.events` as a version of the API shows it, whose resources are given. */
export function presentEvent(row: Record<string, unknown>, among: readonly Resource[]): Event {
  const { data, changes, occurred_at, ...rest } = row as Record<string, unknown> & {
    data: Record<string, unknown>;
    changes: Record<string, { from: unknown; to: unknown }>;
  };
  const resource = [...SHOWN_OTHERS, ...among].find(({ table, plural }) =>
    [table, plural].includes(String(row["resource"])),
  );
  return {
    ...rest,
    ...(resource && { resource: resource.plural }),
    occurred_at: shownTime(String(occurred_at)),
    data: resource === undefined ? data : present(isGone(data) ? withDeleted(resource) : resource, data),
    changes: resource?.isRenamed ? renamed(resource, changes) : changes,
  } as Event;
}

function isGone({ deleted_at: deletedAt }: Record<string, unknown>): boolean {
  return deletedAt !== undefined && deletedAt !== null;
}

/** Changes under the names, and with the values, that a version has for the fields. */
function renamed(resource: Resource, changes: Event["changes"]): Event["changes"] {
  const history = historyOf(resource);
  return Object.fromEntries(
    Object.entries(changes).map(([field, { from, to }]) => {
      const shown = present(history, { field, from, to }, ["field", "from", "to"]);
      return [nameOf(resource, field), { from: shown["from"], to: shown["to"] }];
    }),
  );
}
