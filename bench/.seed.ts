import postgres from "postgres";
import { createBenchWorkspace } from "/work/main/bench/workspace.ts";
const info = JSON.parse(Deno.readTextFileSync("/tmp/x/stack.json"));
const sql = postgres(info.databaseUrl, { max: 1 });
const t=performance.now();
await sql`grant insert, update on api.contacts to crm_api`;
const out:any={};
for (const size of Deno.args.map(Number)) { out[size]=await createBenchWorkspace(sql, size, info.functionEnv.JWT_SIGNING_KEY, console.log); }
await sql`vacuum analyze crm.contacts`;
Deno.writeTextFileSync("/tmp/x/ws.json", JSON.stringify(out));
console.log("done", performance.now()-t);
await sql.end();
