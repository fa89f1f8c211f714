import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importJWK, jwtVerify } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ROOT } from "../../scripts/stack/settings.ts";
import { createSigner, publicKey, signingKey } from "../../shared/signing_key.ts";
import { filesIn } from "./source_files.ts";

const PROJECT = "abcdefghijklmnopqrst";

/** A copy of what the CLI reads: it keeps notes beside the configuration, and tests break that on purpose. */
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "crm-cli-"));
  for (const path of ["deno.json", "functions", "shared", "supabase"])
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
});

afterEach(() => rmSync(copy, { recursive: true, force: true }));

function supabase(...args: string[]): Promise<{ code: number; output: string }> {
  const env = {
    PATH: process.env["PATH"],
    HOME: copy,
    SUPABASE_TELEMETRY_DISABLED: "1",
    SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}`,
  };
  return new Promise((resolve) => {
    const command = execFile(
      join(ROOT, "node_modules/.bin/supabase"),
      ["--workdir", copy, "--agent", "no", ...args],
      { cwd: copy, env, timeout: 25_000 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
    );
    command.stdin?.end();
  });
}

/** Of the commands that need neither Docker nor network, the one that reads the whole configuration and writes nothing. */
const parseConfig = () => supabase("gen", "bearer-jwt", "--role", "anon");

function editConfig(from: string, to: string): void {
  const file = join(copy, "supabase/config.toml");
  const text = readFileSync(file, "utf8");
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}

test("the Supabase CLI parses config.toml, and knows every key in it", async () => {
  const { code, output } = await parseConfig();
  expect(code, output).toBe(0);
  expect(output).not.toContain("WARN");
});

test.each([
  ["[functions.api]", "[functions.api", "failed to parse"],
  ["verify_jwt = false", 'verify_jwt = "no"', "Expected boolean"],
  ['policy = "per_worker"', 'policy = "always"', "edge_runtime.policy"],
  ["verify_jwt = false", "verify = false", "does not recognize"],
])("that check fails for a broken copy: %s → %s", async (from, to, complaint) => {
  editConfig(from, to);
  expect((await parseConfig()).output).toContain(complaint);
});

test("a key that the CLI makes for JWT_SIGNING_KEY signs what its public half verifies", async () => {
  const { output } = await supabase("gen", "signing-key", "--algorithm", "ES256");
  const key = JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? "null");
  const token = await createSigner(signingKey.parse(key))({ role: "crm_api" }, 60);
  const verified = await jwtVerify(token, await importJWK(publicKey.parse(key)));
  expect(verified).toMatchObject({ payload: { role: "crm_api" }, protectedHeader: { kid: key.kid } });
});

/** Supabase's management API, as far as a deployment asks it anything. */
let managementApi: Server;
let uploads: string[] = [];

beforeAll(async () => {
  managementApi = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "POST") uploads.push(Buffer.concat(chunks).toString());
      response.writeHead(request.method === "POST" ? 201 : 200, { "content-type": "application/json" });
      response.end(
        JSON.stringify({
          id: PROJECT,
          slug: "api",
          name: "api",
          status: "ACTIVE",
          version: 1,
          created_at: 1,
          updated_at: 1,
        }),
      );
    });
  });
  await new Promise<void>((resolve) => managementApi.listen(0, "127.0.0.1", resolve));
});

afterAll(() => managementApi.close());

test("`supabase functions deploy` sends the entry file, its import map and every module, and switches verify_jwt off", async () => {
  const { port } = managementApi.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const profile = {
    name: "test",
    api_url: url,
    dashboard_url: url,
    docs_url: url,
    project_host: "localhost",
    pooler_host: "localhost",
  };
  writeFileSync(
    join(copy, "profile.yaml"),
    Object.entries(profile)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join(""),
  );
  uploads = [];

  const { code, output } = await supabase(
    "--profile",
    join(copy, "profile.yaml"),
    "--yes",
    "functions",
    "deploy",
    "api",
    "--use-api",
    `--remote=${PROJECT}`,
  );

  expect(code, output).toBe(0);
  expect(uploads).toHaveLength(1);
  const [upload = ""] = uploads;
  const metadata = JSON.parse(/name="metadata"\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--/s.exec(upload)?.[1] ?? "null");
  expect(metadata).toMatchObject({
    name: "api",
    entrypoint_path: "functions/api/index.ts",
    import_map_path: "deno.json",
    verify_jwt: false,
  });
  const sent = [...upload.matchAll(/filename="([^"]+)"/g)].map(([, path]) => path);
  expect(sent).toEqual(expect.arrayContaining(["deno.json", ...filesIn("functions"), ...filesIn("shared")]));
  expect(upload.length).toBeLessThan(5 * 1024 * 1024);
});
