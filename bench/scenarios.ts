import type { StackInfo } from "../scripts/stack/stack_info.ts";
import type { Target } from "./load.ts";
import type { BenchWorkspace } from "./workspace.ts";

/** One question, asked of the API and of bare PostgREST on the same table, role and rows. */
export interface Scenario {
  name: string;
  api: Target;
  rest: Target;
}

export type ScenarioName = "list" | "count" | "get" | "create" | "update";

/** A quarter of the contacts: 25,000 of 100,000. */
const COUNTED = "lifecycle_stage";

/** The scenarios of a workspace. `apiUrl` is the function's own or the gateway's. */
export function scenarios(
  { restUrl }: StackInfo,
  workspace: BenchWorkspace,
  apiUrl: string,
): Record<ScenarioName, Scenario> {
  const api = { url: `${apiUrl}/v1`, headers: apiHeaders(workspace) };
  const rest = { url: restUrl, headers: restHeaders(workspace) };
  const restIds = workspace.ids.map((id) => `/contacts?id=eq.${id}`);
  const change = '{"score":42,"job_title":"Buyer {unique}"}';
  const order = "order=created_at.desc,id.desc&limit=25";
  return {
    list: {
      name: "list of 25, filter and sort, with total (bare: none)",
      api: { ...api, paths: ["/contacts?status=active&sort=-created_at&limit=25"] },
      rest: { ...rest, paths: [`/contacts?status=eq.active&${order}`] },
    },
    count: {
      name: `list of 25, exact total of ${(workspace.size / 4).toLocaleString("en-US")} (bare: count=exact)`,
      api: { ...api, paths: [`/contacts?${COUNTED}=lead&sort=-created_at&limit=25`] },
      rest: {
        ...rest,
        headers: { ...rest.headers, prefer: "count=exact" },
        paths: [`/contacts?${COUNTED}=eq.lead&${order}`],
      },
    },
    get: {
      name: "one by id",
      api: { ...api, paths: workspace.ids.map((id) => `/contacts/${id}`) },
      rest: { ...rest, paths: restIds },
    },
    create: {
      name: "create",
      api: { ...api, method: "POST", paths: ["/contacts"], body: JSON.stringify(newContact("{unique}")) },
      rest: {
        ...rest,
        method: "POST",
        paths: ["/contacts"],
        body: JSON.stringify({ ...newContact("{unique}"), workspace_id: workspace.id }),
      },
    },
    update: {
      name: "update",
      api: { ...api, method: "PATCH", paths: workspace.ids.map((id) => `/contacts/${id}`), body: change },
      rest: { ...rest, method: "PATCH", paths: restIds, body: change },
    },
  };
}

/** The bulk request of `bulkScenario`, half of whose contacts refer to a company that is not there. */
export function halfFailingBulk(workspace: BenchWorkspace, apiUrl: string): Target {
  const records = Array.from({ length: 1000 }, (_, index) => ({
    ...newContact(`{unique}-${index}`),
    ...(index % 2 === 0 && { company_id: crypto.randomUUID() }),
  }));
  return {
    url: `${apiUrl}/v1`,
    headers: apiHeaders(workspace),
    method: "POST",
    paths: ["/contacts/bulk"],
    body: JSON.stringify({ records }),
  };
}

/** A bulk request of 1,000 new contacts on each side. */
export function bulkScenario({ restUrl }: StackInfo, workspace: BenchWorkspace, apiUrl: string): Scenario {
  const records = Array.from({ length: 1000 }, (_, index) => newContact(`{unique}-${index}`));
  return {
    name: "bulk of 1,000",
    api: {
      url: `${apiUrl}/v1`,
      headers: apiHeaders(workspace),
      method: "POST",
      paths: ["/contacts/bulk"],
      body: JSON.stringify({ records }),
    },
    rest: {
      url: restUrl,
      headers: restHeaders(workspace),
      method: "POST",
      paths: ["/contacts"],
      body: JSON.stringify(records.map((record) => ({ ...record, workspace_id: workspace.id }))),
    },
  };
}

export function apiHeaders({ key }: BenchWorkspace): Record<string, string> {
  return { authorization: `Bearer ${key}`, "content-type": "application/json" };
}

function restHeaders({ jwt }: BenchWorkspace): Record<string, string> {
  return {
    authorization: `Bearer ${jwt}`,
    "accept-profile": "api",
    "content-profile": "api",
    "content-type": "application/json",
    prefer: "return=representation",
  };
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
