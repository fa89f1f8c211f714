// First pages at the largest size: of totals that are kept and that must be counted, and of searches.
import { type Bench, latency } from "./bench.ts";
import { type Measurement, percentile, single, type Target } from "./load.ts";
import { progress, show, verdict } from "./report.ts";
import { apiHeaders } from "./scenarios.ts";
import { accessOf, type BenchWorkspace } from "./workspace.ts";

const SEARCHES: readonly { what: string; text: string }[] = [
  { what: "a rare surname", text: "szczepanowski" },
  { what: "a common first name", text: "maria" },
  { what: "first and last name", text: "maria kowalski" },
  { what: "part of an email", text: "anna.smith" },
  { what: "an email's domain", text: "@northwind.com" },
  { what: "digits of a phone", text: "5550123" },
  { what: "no match", text: "quetzalcoatl" },
];

const FILTERS = [
  "",
  "status=active",
  "status=active&lifecycle_stage=lead",
  "score[gte]=90",
  "created_at[gte]=2020-01-01T00:00:00Z&do_not_contact=false",
];

/** First pages whose total is kept, and some whose total must be counted. */
export async function measureTotals(bench: Bench, workspace: BenchWorkspace): Promise<void> {
  for (const query of FILTERS) {
    const { found, measured } = await firstPages(bench, workspace, query);
    bench.figures.push({
      name: `one client, first page with total at ${show(workspace.size)}, ${query || "no filter"} (${found} matches)`,
      value: latency(measured),
    });
  }
}

/** What is typed into a search field. */
export async function measureSearch(bench: Bench, workspace: BenchWorkspace): Promise<void> {
  for (const { what, text } of SEARCHES) {
    const { found, measured } = await firstPages(bench, workspace, `search=${encodeURIComponent(text)}`);
    const name = `search at ${show(workspace.size)}, ${what} (“${text}”, ${found} found)`;
    bench.verdicts.push(verdict(`${name}: p50, one client`, percentile(measured, 0.5), { most: 50 }, " ms"));
    bench.figures.push({ name: `one client, ${name}`, value: latency(measured) });
  }
}

async function firstPages(
  { info, quick }: Bench,
  workspace: BenchWorkspace,
  query: string,
): Promise<{ found: string; measured: Measurement }> {
  progress(`At ${show(workspace.size)}: ${query || "no filter"}`);
  const path = `/contacts?${query}`;
  const target: Target = {
    url: accessOf(info, workspace).url,
    headers: apiHeaders(workspace.key),
    requests: [{ path }],
  };
  const { meta } = await (await fetch(target.url + path, { headers: target.headers })).json();
  await single(target, 5, 1);
  const measured = await single(target, 100, quick ? 1 : 5);
  if (measured.errors > 0) throw new Error(`${path} answered ${JSON.stringify(measured.statuses)}`);
  return { found: meta.total?.toLocaleString("en-US"), measured };
}
