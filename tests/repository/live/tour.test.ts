import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DENO, ROOT } from "../../../scripts/stack/settings.ts";
import { tourBlocks } from "../../../scripts/tour_blocks.ts";
import { stack } from "../../harness/stack.ts";
import { createWorkspace } from "../../harness/workspace.ts";
import { read } from "../source_files.ts";

const blocks = tourBlocks(read("README.md"));

/** What each command of the README is answered, in their order; `…` is an id. */
const ANSWERS = [
  "GET /v1/me 200",
  "POST /v1/contacts 201",
  "POST /v1/contacts 400",
  "POST /v1/contacts 409",
  "POST /v1/contacts?on_conflict=update 200",
  "PATCH /v1/contacts/… 200",
  "PATCH /v1/contacts/… 412",
  "DELETE /v1/contacts/… 200",
  "POST /v1/contacts/…/restore 200",
  "GET /v1/contacts?status=active&score[gte]=50&sort=-score,last_name&limit=2&include=company 200",
  "GET /v1/contacts?search=ada&fields=email&total=false 200",
  "POST /v1/contacts/search 200",
  "POST /v1/contacts/bulk 207",
  "POST /v1/contacts 201",
  "POST /v1/contacts 201",
  "POST /v1/contacts?dry_run=true 201",
  "POST /v1/companies 201",
  "POST /v1/contacts 201",
  "POST /v1/deals 201",
  "GET /v1/deals/…/transitions 200",
  "POST /v1/deals/…/win 200",
  "POST /v1/activities 201",
  "GET /v1/contacts/…/timeline 200",
  "GET /v1/deals/…/history 200",
  "GET /v1/deals/summary?group_by=stage_id,month 200",
  "GET /v1/contacts?company.industry=Robotics&include=company 200",
  "GET /v1/search?q=acme 200",
  "GET /v1/contacts/export?format=csv&status=active 200",
  "POST /v1/imports 202",
  "GET /v1/imports/… 200",
];

let dataDir: string;
let key: string;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "crm-tour-"));
  ({ key } = await createWorkspace());
  writeFileSync(join(dataDir, "env"), `API_URL=${stack().apiUrl}\nKEY_STANDARD=${key}\n`);
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

function takeTour(): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile(
      DENO,
      ["run", "-A", "--node-modules-dir=manual", join(ROOT, "scripts/tour.ts"), "--data-dir", dataDir],
      (error, printed, said) => (error === null && said === "" ? resolve(printed) : reject(error ?? new Error(said))),
    ),
  );
}

test("npm run tour runs the README's commands, prints what each is answered, and does so again", async () => {
  for (let i = 0; i < 2; i++) {
    const report = await takeTour();
    const answers = [...report.matchAll(/^([A-Z]+) (\S+)\n {2}(\d{3}) /gm)].map(
      ([, method, path = "", status]) => `${method} ${path.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "…")} ${status}`,
    );
    expect(answers).toEqual(ANSWERS);
    expect(report).toMatch(/^ {4}ETag: "2\./im);
    expect(report).toMatch(/^ {4}Idempotent-Replayed: true/im);
    expect(report).toMatch(/^ {4}Location: http.*\/v1\/deals\//im);
    expect(report).not.toContain(key);
  }
});

test("the commands show statuses where the text promises them, pasted as they stand", () => {
  const { stdout, stderr } = spawnSync("bash", ["-c", (blocks[0] ?? "").replace(".local/env", `${dataDir}/env`)], {
    encoding: "utf8",
  });
  expect(stderr.trim().split(/\s+/).map(Number)).toEqual(
    ANSWERS.slice(0, 16).map((answer) => Number(answer.split(" ").at(-1))),
  );
  expect(stdout).toContain("Did you mean email?");
});

test("who signs in makes keys, invites colleagues and tries a sandbox with the README's commands as they stand", () => {
  const block = (heading: string) =>
    new RegExp(`^#+ ${heading}\\n.*?^\`\`\`sh\\n(.*?)^\`\`\``, "ms").exec(read("README.md"))?.[1] ?? "";
  const variables = Object.entries({ API_URL: stack().apiUrl, ...stack().signIn });
  writeFileSync(join(dataDir, "signed_in"), variables.map(([name, value]) => `${name}='${value}'\n`).join(""));
  const signIn = block("Sign in").replace(".local/env", `${dataDir}/signed_in`);
  const leak = block("A key that leaked").replace(".local", stack().dataDir);
  const commands = signIn + block("Keys, people, and what they did") + block("Sandboxes") + leak;
  const { stdout, stderr } = spawnSync("bash", ["-c", commands], { encoding: "utf8" });
  expect(stderr).toBe("");
  const [printed = "", verdict] = stdout.split(/(?=\[\{"token_hash")/);
  expect(verdict).toContain('"label":"true_positive"');
  const answers = printed
    .trim()
    .split(/\s*(?=\{"success")/)
    .map((line) => JSON.parse(line));
  expect(answers.map(({ success, error }) => error?.code ?? success)).toEqual(Array(12).fill(true));
  const [me, , , , rolled, revoked, invited, log, deals, tested, reset, deleted] = answers.map(({ data }) => data);
  expect(me.role).toBe("owner");
  expect(revoked.id).not.toBe(rolled.id);
  expect(invited.state).toBe("pending");
  expect(log.map(({ action }: { action: string }) => action)).toContain("api_key.revoked");
  expect(deals).toHaveLength(1);
  expect(tested.environment).toBe("sandbox");
  expect(reset).toMatchObject({ id: deleted.id, start_from: "sample", state: "ready" });
});

// zsh has no comments at its prompt, and takes a URL's ? and [ outside quotes for a pattern that must match a file.
test.each([...read("README.md").matchAll(/^ *```sh\n(.*?)^ *```/gms)].map(([, text = ""]) => [text]))(
  "a block of commands is safe to paste into any shell: %j",
  (text) => {
    for (const line of text.split("\n")) {
      expect(line).not.toMatch(/(^|\s)#/);
      const bare = line.replaceAll(/"(?:\\.|[^"\\])*"|'[^']*'/g, "");
      expect(bare).not.toMatch(/[*?[\]]|\balias\b|^\s*(?:path|status)=/);
    }
    expect(spawnSync("bash", ["-n", "-c", text], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  },
);
