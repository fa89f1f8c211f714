// Writes beside PostgREST over the same table, whose triggers and indexes are ours, and over a plain one (plain_table.ts).
import { addComparison, type Bench } from "./bench.ts";
import { percentile, perSecond, together } from "./load.ts";
import { makePlainTable, PLAIN_TABLE } from "./plain_table.ts";
import { progress, verdict } from "./report.ts";
import { apiWrites, halfFailingBulk, plainWrites, type WriteName } from "./scenarios.ts";
import { inTurns, ratioOf } from "./turns.ts";
import { accessOf, type BenchWorkspace } from "./workspace.ts";

/** The API's creates, updates and bulks beside both tables. */
export async function measureWrites(bench: Bench, workspace: BenchWorkspace): Promise<void> {
  const { sql, info, quick, verdicts } = bench;
  await makePlainTable(sql, info, workspace);
  const access = accessOf(info, workspace);
  const writes = apiWrites(access);
  const same = plainWrites(info.restUrl, workspace, "contacts");
  const plain = plainWrites(info.restUrl, workspace, PLAIN_TABLE);
  for (const name of Object.keys(writes) as WriteName[]) {
    progress(name);
    const targets = { API: writes[name], PostgREST: same[name], "PostgREST, plain table": plain[name] };
    const seen = await inTurns(targets, { seconds: quick ? 3 : 25, crowded: !name.startsWith("bulk") });
    addComparison(bench, name, seen);
    // Of a bulk some of which failed.
    if (together(seen.API.alone).statuses["207"] !== undefined) throw new Error(`The ${name} failed in part.`);
    if (name === "create") {
      const { ratio } = ratioOf(seen.API.crowded, seen.PostgREST.crowded, perSecond);
      verdicts.push(verdict(`${name}: requests/s, API ÷ PostgREST`, ratio, { least: 0.5 }));
    }
    if (name === "bulk create of 1,000") {
      const rows = perSecond(together(seen.API.alone)) * 1_000;
      verdicts.push(verdict(`${name}: rows/s, one client`, rows, { least: 5_000 }));
    }
  }

  const bulks = { half: halfFailingBulk(access), none: writes["bulk create of 1,000"] };
  const { half, none } = await inTurns(bulks, { seconds: quick ? 2 : 15, crowded: false });
  const { ratio } = ratioOf(half.alone, none.alone, (part) => percentile(part, 0.5));
  verdicts.push(verdict("bulk create of 1,000: time when half fail ÷ when none does", ratio, { most: 2 }));
}
