// npm run keys:create: a further key of a workspace, in any database that has our migrations.
import { findWorkspace, makeKey, operate, WORKSPACE_OPTION } from "./operate.ts";

const SCOPES = ["full_access", "read_only"] as const;

await operate(
  {
    summary:
      "Makes a further API key of a workspace or a sandbox, in the database of DATABASE_URL\n(that of the stack in .local without one). Prints the key: it is shown only here.",
    example: 'npm run keys:create -- --workspace "Acme" --name "Dashboards" --scope read_only',
    options: {
      "--workspace": WORKSPACE_OPTION,
      "--name": { value: "NAME", help: "what the key is called" },
      "--scope": { value: "SCOPE", help: `${SCOPES.join(" or ")}; full_access when absent` },
    },
  },
  async (sql, options) => {
    const name = options.name("--name");
    const scope = options.oneOf("--scope", SCOPES, "full_access");
    const workspace = await findWorkspace(sql, options.required("--workspace"));
    const key = await makeKey(sql, { workspaceId: workspace.id, name, scope });
    return { said: `A ${scope} key, "${name}", of workspace ${workspace.name} (${workspace.id}).`, key };
  },
);
