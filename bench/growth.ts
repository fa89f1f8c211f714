// How what a request takes grows with its workspace, and with the depth of the page that it asks for.
import { encodeCursor } from "../shared/query/cursor.ts";
import { parseListUrl } from "../shared/query/list_query.ts";
import { sortText } from "../shared/query/sort.ts";
import { contacts } from "../shared/resources/contacts.ts";
import { addComparison, type Bench } from "./bench.ts";
import { percentile, type Target } from "./load.ts";
import { progress, verdict } from "./report.ts";
import { apiHeaders, apiReads, apiWrites } from "./scenarios.ts";
import { inTurns, ratioOf } from "./turns.ts";
import { accessOf, type BenchWorkspace } from "./workspace.ts";

const NAMES = ["list, filter and sort", "list, exact total of a filter", "one by id", "update", "create"] as const;

/** The same requests in workspaces of growing size, in turns. */
export async function measureGrowth(bench: Bench, workspaces: readonly BenchWorkspace[]): Promise<void> {
  const sizes: [string, Record<(typeof NAMES)[number], Target>][] = [];
  for (const workspace of workspaces) {
    const access = accessOf(bench.info, workspace);
    sizes.push([`at ${workspace.size.toLocaleString("en-US")}`, { ...(await apiReads(access)), ...apiWrites(access) }]);
  }
  const [[few] = [""], [many] = [""]] = [sizes[0], sizes.at(-1)];
  for (const name of NAMES) {
    progress(`Growth: ${name}`);
    const targets = Object.fromEntries(sizes.map(([size, targetsOf]) => [size, targetsOf[name]]));
    const seen = await inTurns(targets, { seconds: bench.quick ? 2 : 15, crowded: true });
    addComparison(bench, `${name}, API`, seen);
    const { ratio } = ratioOf(seen[many]?.alone ?? [], seen[few]?.alone ?? [], (part) => percentile(part, 0.5));
    bench.verdicts.push(verdict(`${name}: p50 ${many} ÷ ${few} contacts, one client`, ratio, { most: 1.5 }));
  }
}

/** A page far behind the first one. */
export async function measureDepth(bench: Bench, workspace: BenchWorkspace): Promise<void> {
  const page = workspace.size / 25 - 100;
  const name = `page ${page.toLocaleString("en-US")} of ${workspace.size.toLocaleString("en-US")}`;
  progress(name);
  const query = "sort=-created_at&limit=25";
  const cursor = await cursorOfPage(bench, workspace, query, page);
  const target = (path: string): Target => ({
    url: accessOf(bench.info, workspace).url,
    headers: apiHeaders(workspace.key),
    requests: [{ path }],
  });
  const targets = {
    "page 1": target(`/contacts?${query}`),
    [name]: target(`/contacts?${query}&cursor=${cursor.text}`),
  };
  const { url, headers } = targets["page 1"];
  const shown = await (await fetch(`${url}/contacts?${query}&cursor=${cursor.text}`, { headers })).json();
  if (shown.data?.[0]?.id !== cursor.firstId)
    throw new Error(`The cursor of ${name} led elsewhere: ${JSON.stringify(shown).slice(0, 300)}`);
  const seen = await inTurns(targets, { seconds: bench.quick ? 2 : 15, crowded: true });
  addComparison(bench, "list, API", seen);
  // Of one client: with sixteen, p50 is mostly waiting in line.
  const { ratio } = ratioOf(seen[name]?.alone ?? [], seen["page 1"]?.alone ?? [], (part) => percentile(part, 0.5));
  bench.verdicts.push(verdict(`${name}: p50 ÷ page 1, one client`, ratio, { most: 1.2 }));
}

/** The cursor in front of a page, made as the API makes it, without walking there. */
async function cursorOfPage(
  { sql, info }: Bench,
  workspace: BenchWorkspace,
  query: string,
  page: number,
): Promise<{ text: string; firstId: string }> {
  const [last, first] = await sql`
    select id, to_json(created_at) #>> '{}' as created_at from crm.contacts
    where workspace_id = ${workspace.id} and deleted_at is null
    order by created_at desc, id desc offset ${(page - 1) * 25 - 1} limit 2`;
  const { sort, filter } = parseListUrl(contacts, new URLSearchParams(query));
  const scope = {
    workspace: workspace.id,
    resource: contacts.plural,
    sort: sortText(sort),
    filter,
  };
  const text = encodeCursor(info.functionEnv["CURSOR_SECRET"] ?? "", scope, {
    values: [last?.["created_at"], last?.["id"]],
    total: null,
  });
  return { text, firstId: first?.["id"] };
}
