/** A request of the attacker. */
export interface AttackRequest {
  method?: string;
  path: string;
  body?: unknown;
}

/** What the attacker's workspace holds that the attacks are about. */
export interface Target {
  /** A contact with a long timeline. */
  contactId: string;
  /** A contact whose activities are as large as they may be. */
  largeContactId: string;
  /** A tag on every contact. */
  tagId: string;
  /** Rows of each of the six large imports. */
  importRows: number;
}

/** What one workspace does to the others: so many requests under way at once. */
export interface Attack {
  name: string;
  clients: number;
  request: (n: number, target: Target) => AttackRequest;
  /** The victim's traffic is measured once the attack is over, not beside it. */
  after?: boolean;
}

const MEBIBYTE = 1024 * 1024;

export const ATTACKS: readonly Attack[] = [
  { name: "search with a filter of 50 contains, 10 at once", clients: 10, request: fiftyContains },
  { name: "the same, 40 at once", clients: 40, request: fiftyContains },
  { name: "GET /search?q=e, 10 at once", clients: 10, request: () => ({ path: "/search?q=e" }) },
  {
    name: "exports with five nullable sorts, 20 at once",
    clients: 20,
    request: () => ({ path: "/contacts/export?sort=last_activity_at,score,birthday,first_name,last_name" }),
  },
  {
    name: "pages of a long timeline, 10 at once",
    clients: 10,
    request: (_, { contactId }) => ({ path: `/contacts/${contactId}/timeline?limit=100` }),
  },
  {
    name: "one contains over accented names, 10 at once",
    clients: 10,
    request: () => ({ path: "/contacts?first_name[contains]=qq" }),
  },
  {
    name: "upserts of 1,000 that are there, 6 at once",
    clients: 6,
    request: () => bulk(1_000, (n) => ({ email: `attack-${n}@x.example`, score: Math.floor(Math.random() * 100) })),
  },
  {
    name: "bulks of 1,000 of which 500 fail, 6 at once",
    clients: 6,
    request: () => bulk(1_000, (n) => ({ email: n % 2 ? "no mailbox" : `attack-${n}@x.example`, score: n % 100 })),
  },
  {
    name: "bulks of 1,000 of which 500 refer to nothing, 6 at once",
    clients: 6,
    request: () =>
      bulk(1_000, (n) => ({
        email: `refers-${n}@x.example`,
        ...(n % 2 === 0 && { company_id: crypto.randomUUID() }),
      })),
  },
  {
    name: "renames of a tag on all contacts, 9 writers of it behind",
    clients: 10,
    request: (n, { tagId }) =>
      n % 10 === 0
        ? { method: "PATCH", path: `/tags/${tagId}`, body: { name: `everybody ${n}` } }
        : { method: "POST", path: "/contacts", body: { email: `tagged-${n}-${Date.now()}@x.example`, tags: ["all"] } },
  },
  { name: "distinct large shapes, 10 at once", clients: 10, request: largeShape },
  { name: "distinct large shapes, once they are over", clients: 10, request: largeShape, after: true },
  {
    name: "pages of activities of 60 kB, 4 at once",
    clients: 4,
    request: (_, { largeContactId }) => ({ path: `/activities?contact_id=${largeContactId}&limit=100` }),
  },
  { name: "500 unknown custom fields, 10 at once", clients: 10, request: (n) => unknownFields(n, 500) },
  { name: "5,000 unknown custom fields, 10 at once", clients: 10, request: (n) => unknownFields(n, 5_000) },
  {
    name: "imports with a header of 5 MiB, 6 at once",
    clients: 6,
    request: () => ({
      method: "POST",
      path: "/imports",
      body: { resource: "contacts", format: "csv", content: `email,${members(480_000).join(",")}\na@x.example\n` },
    }),
  },
  {
    name: "bulks of one record with 5 MiB of unknown keys, 6 at once",
    clients: 6,
    request: () => bulk(1, () => Object.fromEntries(members(50_000).map((name) => [name.padEnd(90, "x"), 1]))),
  },
  {
    name: "bodies of 5 MiB, 10 at once",
    clients: 10,
    request: () => ({
      method: "POST",
      path: "/companies/bulk",
      body: {
        records: Array.from({ length: 1_000 }, (_, n) => ({ name: `Large ${n}`, description: "x".repeat(4.9 * 1024) })),
      },
    }),
  },
  {
    name: "bodies beyond 5 MiB, 10 at once",
    clients: 10,
    request: () => ({ method: "POST", path: "/contacts/bulk", body: { records: ["x".repeat(8 * MEBIBYTE)] } }),
  },
];

function fiftyContains(): AttackRequest {
  const leaf = (n: number) => ({ field: "first_name", op: "contains", value: `q${n}x` });
  return {
    method: "POST",
    path: "/contacts/search",
    body: { filter: { or: Array.from({ length: 50 }, (_, n) => leaf(n)) } },
  };
}

function largeShape(n: number): AttackRequest {
  const leaf = (_: unknown, index: number) => ({
    field: ["status", "lifecycle_stage", "lead_source"][(n + index) % 3],
    op: "nin",
    value: Array.from({ length: 100 }, () =>
      (n + index) % 3 === 0 ? "active" : (n + index) % 3 === 1 ? "customer" : `s${n}`,
    ),
  });
  return {
    method: "POST",
    path: "/contacts/search",
    body: {
      limit: 1 + (n % 100),
      sort: ["score", "-score", "last_name", "-first_name", "created_at"][n % 5],
      filter: { and: Array.from({ length: 1 + (n % 40) }, leaf) },
    },
  };
}

function unknownFields(n: number, count: number): AttackRequest {
  const custom_fields = Object.fromEntries(members(count).map((name) => [name, 1]));
  return { method: "POST", path: "/contacts", body: { email: `unknown-${n}@x.example`, custom_fields } };
}

function bulk(count: number, record: (n: number) => Record<string, unknown>): AttackRequest {
  const records = Array.from({ length: count }, (_, n) => record(n));
  return { method: "POST", path: "/contacts/bulk?on_conflict=update", body: { records } };
}

function members(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `key${n}`);
}
