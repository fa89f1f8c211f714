import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/stack/settings.ts";
import type { Client } from "../harness/client.ts";
import { rowsOf, runImport } from "../harness/import_jobs.ts";
import { createWorkspace } from "../harness/workspace.ts";

// Files as other programs export them, each with the mapping that whoever knows the file gives.

interface FileCase {
  file: string;
  resource: string;
  /** Of the columns that say nothing by their names; null for all others. */
  mapping: Record<string, string>;
  /** What became of each row: its status, or the fields that it failed for. No date or amount is guessed: 3/9/1984 is two. */
  rows: string[];
  /** A record of the file as it is found afterwards. */
  found?: Record<string, unknown>;
}

const CASES: FileCase[] = [
  {
    file: "salesforce_contacts.csv",
    resource: "contacts",
    mapping: { Id: "external_id", Title: "job_title", LeadSource: "lead_source", Department: "department" },
    rows: ["created", "created"],
    found: {
      external_id: "003000000000001AAA",
      first_name: "Testa",
      birthday: "1984-03-09",
      address: { street: "1 Pier Rd\nFloor 2", city: "Springfield", state: "OR", postal_code: "97477" },
    },
  },
  {
    file: "salesforce_accounts.csv",
    resource: "companies",
    mapping: { Id: "external_id", Website: "domain", NumberOfEmployees: "employee_count", Description: "description" },
    rows: ["type", "field"], // It has no currency.
  },
  {
    file: "hubspot_contacts.csv",
    resource: "contacts",
    mapping: { "Record ID": "external_id" },
    rows: ["created", "email,lifecycle_stage", "created"],
  },
  {
    file: "hubspot_companies.csv",
    resource: "companies",
    mapping: { "Record ID": "external_id" },
    rows: ["field", "created"],
    found: { name: "Beta plc", external_id: "7002", type: "partner", lifecycle_stage: "other" },
  },
  {
    file: "hubspot_deals.csv",
    resource: "deals",
    mapping: { "Record ID": "external_id" },
    rows: ["created", "created", "created"],
    found: { external_id: "5001", amount: "1200.50", expected_close_date: "2026-12-31", priority: "high" },
  },
  { file: "google_new.csv", resource: "contacts", mapping: {}, rows: ["created", "birthday,email", "email"] },
  {
    file: "google_old.csv",
    resource: "contacts",
    mapping: {},
    rows: ["created"],
    found: { first_name: "Testa", phone: "(202) 555-0103 ext. 12" },
  },
  { file: "outlook.csv", resource: "contacts", mapping: {}, rows: ["birthday", "birthday,email"] },
  { file: "outlook_de.csv", resource: "contacts", mapping: {}, rows: ["created"], found: { birthday: "1984-03-09" } },
  { file: "mailchimp.csv", resource: "contacts", mapping: {}, rows: ["birthday"] },
  {
    file: "pipedrive_deals.csv",
    resource: "deals",
    mapping: { "Deal - ID": "external_id" },
    rows: ["created", "created", "created"],
  },
  {
    file: "pipedrive_organizations.csv",
    resource: "companies",
    mapping: { "Organization - ID": "external_id" },
    rows: ["created"],
  },
  {
    file: "linkedin.csv",
    resource: "contacts",
    mapping: { URL: "linkedin_url", Position: "job_title" },
    rows: ["created", "email"],
  },
  {
    file: "attio_people.csv",
    resource: "contacts",
    mapping: { "Record ID": "external_id", "Email addresses": "email", "Phone numbers": "phone" },
    rows: ["email"],
  },
  {
    file: "tasks_sheet.csv",
    resource: "tasks",
    mapping: {},
    rows: ["created", "created", "type"],
    found: { due_at: "2026-11-25T14:30:00.000000Z" },
  },
];

/** The mapping of a file: what is given, what its headers say, and null for the rest, which the API asks for. */
async function mappingOf(client: Client, { resource, mapping }: FileCase, content: string) {
  const complete: Record<string, string | null> = { ...mapping };
  for (let tries = 0; tries < 5; tries++) {
    const { status, error } = await client.post("/imports", {
      resource,
      format: "csv",
      content,
      mapping: complete,
      dry_run: true,
    });
    if (status === 202) return complete;
    const unknown = Object.keys(error.details).filter((at) => at.startsWith("mapping."));
    if (unknown.length === 0) throw new Error(JSON.stringify(error));
    for (const at of unknown) complete[at.slice("mapping.".length)] = null;
  }
  throw new Error(`no mapping of ${content.slice(0, 300)}`);
}

test.each(CASES)("$file", async (given) => {
  const { client } = await createWorkspace();
  const content = readFileSync(join(ROOT, "tests/fixtures/import_files", given.file), "utf8");
  const mapping = await mappingOf(client, given, content);
  const ended = await runImport(client, { resource: given.resource, format: "csv", content, mapping });
  const rows = await rowsOf(client, ended.id);
  const outcomes = rows.map(({ status, error }) =>
    status === "failed" ? Object.keys(error.details).sort().join() : status,
  );
  expect(outcomes).toEqual(given.rows);
  const failed = rows.filter(({ status }) => status === "failed");
  expect(
    failed.every(({ line, error, given: cells }) => line > 1 && (cells !== undefined || error.details.field)),
  ).toBe(true);
  const records = await client.all(`/${given.resource}`);
  expect(records).toHaveLength(rows.length - failed.length);
  if (given.found !== undefined) expect(records).toContainEqual(expect.objectContaining(given.found));
});
