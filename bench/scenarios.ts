// What is asked of the API and, where it has an answer, of bare PostgREST: the same rows by the shortest way.
import type { Target } from "./load.ts";
import type { BenchWorkspace } from "./workspace.ts";

/** A workspace behind the API. */
export interface ApiAccess {
  /** Of the function, with the version. */
  url: string;
  key: string;
  /** Contacts that are read and changed: 1,000 or more. */
  ids: readonly string[];
}

const BULK_SIZE = 1_000;
const FILTERED = "/contacts?status=active&sort=-created_at&limit=25";
const COUNTED = "lifecycle_stage";
const CHANGE = '{"score":42,"job_title":"Buyer {unique}"}';

/** The reads of the API, by what they are called. A few of its answers are asked for first: a cursor. */
export async function apiReads({ url, key, ids }: ApiAccess) {
  const headers = apiHeaders(key);
  const get = (...paths: string[]): Target => ({ url, headers, requests: paths.map((path) => ({ path })) });
  const response = await fetch(url + FILTERED, { headers });
  const { meta } = await response.json();
  if (!response.ok || !meta.next_cursor) throw new Error(`${FILTERED} answered ${response.status} without a cursor.`);
  return {
    list: get("/contacts"),
    "list, filter and sort": get(FILTERED),
    "list, next page": get(`${FILTERED}&cursor=${encodeURIComponent(meta.next_cursor)}`),
    "list, exact total of a filter": get(`/contacts?${COUNTED}=lead&sort=-created_at&limit=25`),
    "list, company included": get("/contacts?include=company"),
    "list, search": get("/contacts?search=maria"),
    "one by id": get(...ids.slice(0, 100).map((id) => `/contacts/${id}`)),
    "search over everything": get("/search?q=maria"),
    timeline: get(...ids.slice(0, 100).map((id) => `/contacts/${id}/timeline`)),
    "deal summary": get("/deals/summary?group_by=stage_id,month"),
  } satisfies Record<string, Target>;
}
export type ReadName = keyof Awaited<ReturnType<typeof apiReads>>;

/** What reads those of `apiReads` that PostgREST can answer by itself; their totals only where that is the question. */
export function plainReads(restUrl: string, { jwt, ids }: BenchWorkspace) {
  const get = (...paths: string[]): Target => ({
    url: restUrl,
    headers: restHeaders(jwt),
    requests: paths.map((path) => ({ path })),
  });
  const page = "order=created_at.desc,id.desc&limit=25";
  const counted = get(`/contacts?${COUNTED}=eq.lead&${page}`);
  return {
    list: get(`/contacts?${page}`),
    "list, filter and sort": get(`/contacts?status=eq.active&${page}`),
    "list, next page": get(`/contacts?status=eq.active&${page}&offset=25`),
    "list, exact total of a filter": { ...counted, headers: { ...counted.headers, prefer: "count=exact" } },
    "list, company included": get(`/contacts?${page}&select=*,company:companies!contacts_company_id_fkey(*)`),
    "one by id": get(...ids.slice(0, 100).map((id) => `/contacts?id=eq.${id}`)),
  } satisfies Partial<Record<ReadName, Target>>;
}

/** The writes of the API, by what they are called. */
export function apiWrites({ url, key, ids }: ApiAccess) {
  const api = { url, headers: apiHeaders(key) };
  return {
    create: { ...api, method: "POST", requests: [{ path: "/contacts", body: JSON.stringify(newContact("{unique}")) }] },
    update: { ...api, method: "PATCH", requests: ids.map((id) => ({ path: `/contacts/${id}`, body: CHANGE })) },
    "bulk create of 1,000": bulk(api, "POST", newContacts()),
    "bulk update of 1,000": bulk(api, "PATCH", bulkChanges(ids)),
  } satisfies Record<string, Target>;
}
export type WriteName = keyof ReturnType<typeof apiWrites>;

/** The writes of `apiWrites` by PostgREST, to a table that it shows. */
export function plainWrites(
  restUrl: string,
  { id: workspace_id, jwt, ids, emails }: BenchWorkspace,
  table: string,
): Record<WriteName, Target> {
  const rest = { url: restUrl, headers: restHeaders(jwt) };
  const ours = <Row>(rows: Row[]) => JSON.stringify(rows.map((row) => ({ ...row, workspace_id })));
  const post = (rows: unknown[], query = "") => ({
    ...rest,
    method: "POST" as const,
    requests: [{ path: `/${table}${query}`, body: ours(rows) }],
  });
  // Only an upsert gives each row a value of its own in one statement; it wants what must not be null.
  const changes = bulkChanges(ids).map((change, i) => ({ ...change, email: emails[i] }));
  const upsert = post(changes, "?on_conflict=id");
  return {
    create: post([newContact("{unique}")]),
    update: { ...rest, method: "PATCH", requests: ids.map((id) => ({ path: `/${table}?id=eq.${id}`, body: CHANGE })) },
    "bulk create of 1,000": post(newContacts()),
    "bulk update of 1,000": {
      ...upsert,
      headers: { ...upsert.headers, prefer: "resolution=merge-duplicates,return=representation" },
    },
  };
}

/** The bulk create of `apiWrites`, half of whose contacts refer to a company that is not there. */
export function halfFailingBulk({ url, key }: ApiAccess): Target {
  const records = newContacts().map((contact, i) =>
    i % 2 === 0 ? { ...contact, company_id: crypto.randomUUID() } : contact,
  );
  return bulk({ url, headers: apiHeaders(key) }, "POST", records);
}

export function apiHeaders(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}`, "content-type": "application/json" };
}

export function restHeaders(jwt: string): Record<string, string> {
  return {
    authorization: `Bearer ${jwt}`,
    "accept-profile": "api",
    "content-profile": "api",
    "content-type": "application/json",
    prefer: "return=representation",
  };
}

function bulk(api: Pick<Target, "url" | "headers">, method: "POST" | "PATCH", records: unknown[]): Target {
  return { ...api, method, requests: [{ path: "/contacts/bulk", body: JSON.stringify({ records }) }] };
}

function newContacts() {
  return Array.from({ length: BULK_SIZE }, (_, index) => newContact(`{unique}-${index}`));
}

function bulkChanges(ids: readonly string[]) {
  return ids.slice(0, BULK_SIZE).map((id) => ({ id, score: 42, job_title: "Buyer {unique}" }));
}

function newContact(unique: string) {
  return {
    email: `jane.smith.${unique}@northwind.example`,
    first_name: "Jane",
    last_name: "Smith",
    phone: "+1 415 555 2671",
    job_title: "Head of Marketing",
    lifecycle_stage: "mql",
    department: "Marketing",
    score: 71,
    tags: ["newsletter"],
  };
}
