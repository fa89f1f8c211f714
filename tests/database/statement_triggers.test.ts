import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { resources } from "../../shared/resources/all.ts";
import { Records } from "../harness/records.ts";
import { stack } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

// A trigger's plans are kept by the session. What was planned for statements of one row must do for thousands: a nested
// loop over the rows before and after would compare each with each.

const ROWS = 40;
const ONE_BY_ONE = 10;
const changed = resources.filter(({ operations }) => operations.includes("create"));

describe.each(changed.map((resource) => [resource.plural, resource] as const))("%s", (_plural, resource) => {
  test("a session that changed them one by one reads the rows of a large change once", async () => {
    const records = new Records(await createWorkspace());
    const ids = await records.insert(resource, await records.rows(resource, ROWS + ONE_BY_ONE, { linked: false }));
    const plans: string[] = [];
    const session = postgres(stack().databaseUrl, { max: 1, onnotice: ({ message }) => plans.push(message ?? "") });
    const table = session(`crm.${resource.table}`);
    try {
      await session`load 'auto_explain'`;
      for (const change of [
        (some: string[]) => session`update ${table} set deleted_at = clock_timestamp() where id = any (${some})`,
        (some: string[]) => session`update ${table} set deleted_at = null where id = any (${some})`,
        (some: string[]) => session`delete from ${table} where id = any (${some})`,
      ]) {
        for (const id of ids.slice(0, ONE_BY_ONE)) await change([id]);
        await session`
          select set_config('auto_explain.' || name, value, false) from (values ('log_min_duration', '0'), ('log_level', 'notice'),
            ('log_nested_statements', 'on'), ('log_analyze', 'on'), ('log_timing', 'off')) as settings (name, value)`;
        await change(ids.slice(ONE_BY_ONE));
        await session`set auto_explain.log_min_duration = -1`;
      }
    } finally {
      await session.end();
    }
    const reads = plans.flatMap((plan) =>
      [...plan.matchAll(/Tuplestore Scan.*loops=(\d+)/g)].map(([, n]) => Number(n)),
    );
    expect(new Set(reads)).toEqual(new Set([1]));
  });
});
