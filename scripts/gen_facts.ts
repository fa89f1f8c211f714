import { writeFileSync } from "node:fs";
import { resources } from "../shared/resources/all.ts";
import type { OPERATIONS, Resource } from "../shared/resources/define.ts";
import { RIGHTS } from "../shared/rights.ts";
import { argumentsOrHelp } from "./arguments.ts";
import { ROOT } from "./stack/settings.ts";

export const FACTS_FILE = "supabase/migrations/20261124000026_facts.sql";

const HEADER = `-- How requests write each resource (crm.facts_of), and who may do what beside that, generated from shared/resources by \`npm run gen:facts\`; a test compares the
-- two. Do not edit.
`;
const WRITES = ["create", "update", "delete", "restore"] satisfies (typeof OPERATIONS)[number][];

/** The text of the migration that tells the database what `shared/resources` declares of what is written. */
export function generateFacts(): string {
  const written = resources.filter(({ operations }) => WRITES.some((operation) => operations.includes(operation)));
  return HEADER + written.map(statementOf).join("") + rightsFunction();
}

function rightsFunction(): string {
  const lines = Object.entries(RIGHTS).map(([area, rights]) => `    "${area}": ${JSON.stringify(rights)}`);
  return `
-- Who may do what beside records, by role, and for keys (shared/rights.ts).
create function crm.rights() returns jsonb
language sql immutable parallel safe -- no "set search_path": a setting would keep it from being inlined
as $$
  select '{\n${lines.join(",\n")}\n  }'::jsonb;
$$;
grant execute on function crm.rights() to crm_api;
`;
}

function statementOf(resource: Resource): string {
  const lines = Object.entries(factsOf(resource)).map(
    ([name, fact]) => `  ${JSON.stringify(name)}: ${JSON.stringify(fact).replaceAll("'", "''")}`,
  );
  return `\ninsert into crm.resources (name, facts) values ('${resource.table}', '{\n${lines.join(",\n")}\n}')\non conflict (name) do update set facts = excluded.facts;\n`;
}

function factsOf(resource: Resource): Record<string, unknown> {
  const { names, fields, columns } = resource;
  const all = Object.entries(fields);
  const column = (name: string) => columns[name]?.given ?? name;
  const derived = all.flatMap(([name, { e164 }]) => (e164 ? [[e164, name] as const] : []));
  return {
    singular: resource.singular,
    columns: names.all,
    writable: [...names.writable.map(column), ...derived.map(([name]) => name)],
    fixed: all.filter(([, { createOnly }]) => createOnly).map(([name]) => column(name)),
    objects: names.merged,
    derived: Object.fromEntries(derived),
    unique: names.unique,
    within: Object.fromEntries(all.flatMap(([name, { within }]) => (within ? [[name, within]] : []))),
    defaults: resource.defaults,
    actions: {
      ...Object.fromEntries(
        Object.entries(resource.actions).map(([name, { body }]) => [name, Object.keys(body.shape)]),
      ),
      ...(resource.mergeable && { revert_merge: ["merge_id"] }),
    },
    movable: resource.movable,
  };
}

if (import.meta.main) {
  argumentsOrHelp({
    summary: `Writes ${FACTS_FILE} from shared/resources.`,
    example: "npm run gen:facts",
    options: {},
  });
  writeFileSync(ROOT + FACTS_FILE, generateFacts());
  console.log(`${FACTS_FILE} is written.`);
}
