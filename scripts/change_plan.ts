// npm run workspaces:plan: another plan for a workspace and its sandboxes, in any database that has our migrations.
import { PLANS } from "../shared/limits/plans.ts";
import { findWorkspace, noteAct, operate, WORKSPACE_OPTION } from "./operate.ts";

await operate(
  {
    summary:
      "Changes the plan of a workspace, in the database of DATABASE_URL (that of the stack in\n.local without one). It holds for each of its keys, and its sandboxes', within 10 seconds.",
    example: 'npm run workspaces:plan -- --workspace "Acme" --plan professional',
    options: {
      "--workspace": WORKSPACE_OPTION,
      "--plan": { value: "PLAN", help: PLANS.join(" or ") },
    },
  },
  async (sql, options) => {
    const plan = options.oneOf("--plan", PLANS);
    const { id, name, plan: before, parentWorkspaceId } = await findWorkspace(sql, options.required("--workspace"));
    if (parentWorkspaceId !== null)
      throw new Error(`${name} is a sandbox, which has the plan of its workspace: --workspace ${parentWorkspaceId}`);
    if (plan === before) return { said: `Workspace ${name} (${id}) is on ${plan} already.` };
    await sql`update crm.workspaces set plan = ${plan} where ${id} in (id, parent_workspace_id)`;
    await noteAct(
      sql,
      id,
      "workspace.plan_changed",
      { type: "workspace", id, name },
      { plan: { from: before, to: plan } },
    );
    return { said: `Workspace ${name} (${id}) is on ${plan} now; before it was on ${before}.` };
  },
);
