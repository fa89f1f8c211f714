import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

test("a workspace with many jobs has no more slices than one with one", async () => {
  const [many, one] = [await createWorkspace(), await createWorkspace()];
  const undo = new Error("undo");
  const slices: string[] = [];
  const queued = (workspaceId: string, touchedAt: string) => ({
    workspace_id: workspaceId,
    kind: "merge",
    scope: "contacts",
    arguments: {},
    touched_at: touchedAt,
  });
  await database()
    .begin(async (transaction) => {
      const jobs = [
        ...Array.from({ length: 3 }, (_, n) => queued(many.workspaceId, `1970-01-0${n + 1}`)),
        queued(one.workspaceId, "1970-01-09"),
      ];
      await transaction`insert into crm.jobs ${transaction(jobs)}`;
      for (let nth = 0; nth < 3; nth++) {
        const [row] = await transaction`select api.claim_job(${JSON.stringify({ lease: randomUUID() })}::json) as job`;
        slices.push(row?.["job"].workspace_id);
        // Its slice is over.
        await transaction`update crm.jobs set lease_until = null, touched_at = clock_timestamp() where id = ${row?.["job"].id}`;
      }
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  expect(slices).toEqual([many.workspaceId, one.workspaceId, many.workspaceId]);
});
