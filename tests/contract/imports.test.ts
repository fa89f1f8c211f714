import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { endOf, type ImportRow, rowsOf, runImport } from "../harness/import_jobs.ts";
import { database, stack } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace } from "../harness/workspace.ts";

type Workspace = Awaited<ReturnType<typeof createWorkspace>>;

let mine: Workspace;

beforeAll(async () => {
  mine = await createWorkspace();
  for (const definition of [
    { key: "plan", type: "select", options: ["gold", "free"] },
    { key: "seats", type: "number" },
    { key: "trial", type: "boolean" },
    { key: "uses", type: "multi_select", options: ["crm", "mail"] },
  ])
    await mine.client.post("/custom_fields", { resource: "contacts", label: definition.key, ...definition });
});

const csv = (...lines: string[]) => lines.map((line) => `${line}\r\n`).join("");
const contactsCsv = (content: string, options: Record<string, unknown> = {}) => ({
  resource: "contacts",
  format: "csv",
  content,
  ...options,
});
const contactsNdjson = (records: unknown[], options: Record<string, unknown> = {}) => ({
  resource: "contacts",
  format: "ndjson",
  content: records.map((record) => (typeof record === "string" ? record : JSON.stringify(record))).join("\n"),
  ...options,
});
const counts = ({ created, updated, unchanged, failed, rows_processed, rows_total }: ImportRow) => ({
  created,
  updated,
  unchanged,
  failed,
  rows_processed,
  rows_total,
});
const contactOf = async (workspace: Workspace, email: string) =>
  (await workspace.client.get(`/contacts?email=${email}`)).data[0];
/** An address that no other test uses. */
const fresh = (name: string) => `${name}-${randomUUID().slice(0, 8)}@test.example`;

describe("a file in the request", () => {
  test("is accepted, carried out after the answer, and reported row by row", async () => {
    const [ada, bob] = [fresh("ada"), fresh("bob")];
    const content = csv("email,first_name,score", `${ada},Ada,7`, `no email,Eve,1`, `${bob},Bob,`);
    const { status, data, headers } = await mine.client.post("/imports", contactsCsv(content));
    expect(status).toBe(202);
    expect(headers.get("location")).toBe(`${stack().apiUrl}/v1/imports/${data.id}`);
    expect(data).toMatchObject({
      resource: "contacts",
      format: "csv",
      dry_run: false,
      on_conflict: "update",
      match_by: "email",
      mapping: { email: "email", first_name: "first_name", score: "score" },
      bytes_total: content.length,
      created_by: { type: "api_key", id: mine.id },
      error: null,
    });
    const ended = await endOf(mine.client, data.id);
    expect(Object.keys(ended)).toEqual(Object.keys(data));
    expect(ended).toMatchObject({ status: "completed", bytes_processed: content.length });
    expect(ended["started_at"]).toMatch(/Z$/);
    expect(ended["completed_at"]).toMatch(/Z$/);
    expect(counts(ended)).toEqual({
      created: 2,
      updated: 0,
      unchanged: 0,
      failed: 1,
      rows_processed: 3,
      rows_total: 3,
    });
    const contact = await contactOf(mine, ada);
    expect(contact).toMatchObject({ first_name: "Ada", score: 7, source: "import", created_by: { id: mine.id } });
    const sentence = "The email field must be a valid email address.";
    expect(await rowsOf(mine.client, data.id)).toEqual([
      { row: 1, line: 2, status: "created", id: contact.id, error: null },
      {
        row: 2,
        line: 3,
        status: "failed",
        id: null,
        error: { code: "validation_error", message: sentence, details: { email: [sentence] } },
        given: { email: expect.any(String) },
      },
      { row: 3, line: 4, status: "created", id: (await contactOf(mine, bob)).id, error: null },
    ]);
  });

  test("may be NDJSON, one object a line", async () => {
    const [ada, bob] = [fresh("ada"), fresh("bob")];
    const ended = await runImport(
      mine.client,
      contactsNdjson([
        { email: ada, score: 5, tags: ["x"], address: { city: "Oslo" }, id: "left out", created_at: 1 },
        "",
        "{not json",
        "[1]",
        { email: bob, scroe: 5 },
        { email: bob, score: "5" },
        `{"email":"${bob}","first_name":"a\\u0000b"}`,
        `{"email":"${bob}","first_name":"\\ud800"}`,
        `{"email":"${bob}","custom_fields":${"[".repeat(40)}${"]".repeat(40)}}`,
      ]),
    );
    expect(counts(ended)).toMatchObject({ created: 1, failed: 7, rows_total: 8 });
    expect(await contactOf(mine, ada)).toMatchObject({ score: 5, tags: ["x"], address: { city: "Oslo" } });
    const codes = (await rowsOf(mine.client, ended.id, "failed")).map(({ row, error }) => [row, error.code]);
    expect(codes).toEqual([
      [2, "malformed_json"],
      [3, "malformed_json"],
      [4, "unknown_field"],
      [5, "validation_error"],
      [6, "validation_error"],
      [7, "validation_error"],
      [8, "malformed_json"],
    ]);
  });

  test("is read as RFC 4180 and as spreadsheets write it", async () => {
    const email = fresh("quoted");
    const content = `\ufeffemail , first_name,last_name,job_title\n"${email}" ,"Ann ""the"" \r\n1st" ,"a,b"," x "\r\n,,,\r\n\r\n`;
    const ended = await runImport(mine.client, contactsCsv(content));
    expect(counts(ended)).toMatchObject({ created: 1, failed: 0, rows_total: 1 });
    expect(await contactOf(mine, email)).toMatchObject({
      first_name: 'Ann "the" \r\n1st',
      last_name: "a,b",
      job_title: "x",
    });
  });

  test("without a line break at its end has a last row", async () => {
    const email = fresh("last");
    expect(counts(await runImport(mine.client, contactsCsv(`email\n${email}`)))).toMatchObject({ created: 1 });
  });

  test("with a header alone is complete at once", async () => {
    expect(counts(await runImport(mine.client, contactsCsv("email,score\r\n")))).toMatchObject({ rows_total: 0 });
  });

  test.each([
    ["odd", '"a"b,2', "The row has text behind the closing quote of a cell."],
    ["open", '"never closed,2', "The row has a quoted cell that is not closed."],
    ["short", "one cell", "The row has 1 cell, and the header has 2."],
  ])("a row that can't be read fails alone: %s", async (name, line, sentence) => {
    const [first, last] = [fresh(name), fresh(name)];
    const ended = await runImport(
      mine.client,
      contactsCsv(csv("email,job_title", `${first},5" pipes`, line, `${last},x`)),
    );
    expect(counts(ended)).toMatchObject({ created: 2, failed: 1 });
    expect(await contactOf(mine, first)).toMatchObject({ job_title: '5" pipes' });
    const [failed] = await rowsOf(mine.client, ended.id, "failed");
    expect(failed).toMatchObject({ row: 2, line: 3, error: { message: sentence, details: { row: [sentence] } } });
  });

  const delimiters = [",", ";", "\t", "|"];
  test.each(delimiters.flatMap((delimiter) => ["\n", "\r\n", "\r"].map((end) => [delimiter, end] as const)))(
    "may have %j between its cells and %j behind its lines: that is found, given, or said by it",
    async (delimiter, end) => {
      const others = delimiters.filter((other) => other !== delimiter).join("");
      for (const [before, options] of [
        ["", {}],
        ["\ufeff", {}],
        ["", { delimiter }],
        [`sep=${delimiter}${end}`, {}],
        [`\ufeff"sep=${delimiter}"${end}`, {}],
      ] as const) {
        const email = fresh("cells");
        const content = [
          ["email", '"first_name"', "last_name"],
          [email, `"${delimiter}""A"""`, `b ${others.trim()} c`],
          ["none", "x", ""],
        ].reduce<string>((text, cells) => text + cells.join(delimiter) + end, before);
        const ended = await runImport(mine.client, contactsCsv(content, options));
        expect(ended).toMatchObject({ delimiter, created: 1, failed: 1 });
        const lines = (await rowsOf(mine.client, ended.id)).map(({ line, given }) => [line, given?.email]);
        const first = before.includes("sep") ? 3 : 2;
        expect(lines).toEqual([
          [first, undefined],
          [first + 1, "none"],
        ]);
        const contact = await contactOf(mine, email);
        expect(contact).toMatchObject({ first_name: `${delimiter}"A"`.trim(), last_name: `b ${others.trim()} c` });
      }
    },
  );

  test.each([
    ["\ufeff\n\n", "content", "The content field must begin with a header row."],
    ['"email', "content", "The header row has a quoted cell that is not closed."],
    ['"email"x,score\na,b', "content", "The header row has text behind the closing quote of a cell."],
    [`email,${"x".repeat(300_000)}`, "content", "The header row may not be longer than 256 kB."],
    [`email,${"x,".repeat(5_000)}`, "content", "The header row may not have more than 1000 cells."],
  ])("whose header can't be read is refused at once: %#", async (content, at, sentence) => {
    const { status, error } = await mine.client.post("/imports", contactsCsv(content));
    expect([status, error]).toEqual([
      400,
      { code: "validation_error", message: sentence, details: { [at]: [sentence] } },
    ]);
  });

  test("with 38 unknown headers is told of twenty, and what is allowed once", async () => {
    const names = Array.from({ length: 38 }, (_, n) => `strange${n}`);
    const { status, error, body } = await mine.client.post("/imports", contactsCsv(csv(`email,${names.join(",")}`)));
    expect([status, error.code]).toEqual([400, "unknown_field"]);
    const { _more: more, ...told } = error.details;
    expect(more).toBe(18);
    expect(Object.keys(told)).toEqual(names.slice(0, 20).map((name) => `mapping.${name}`));
    expect(Object.values(told).filter((sentences) => String(sentences).includes("job_title"))).toHaveLength(1);
    expect(JSON.stringify(body).length).toBeLessThan(10_000);
  });
});

describe("cells are read by their field", () => {
  test.each([
    ["score", "12", { score: 12 }],
    ["do_not_contact", "TRUE", { do_not_contact: true }],
    ["do_not_contact", "0", { do_not_contact: false }],
    ["tags", "vip; new ;", { tags: ["vip", "new"] }],
    ["tags", '"[""a;b"",""c""]"', { tags: ["a;b", "c"] }],
    ["address", '"{""city"":""Oslo""}"', { address: { city: "Oslo" } }],
    ["address.city", "Oslo", { address: { city: "Oslo" } }],
    ["custom_fields", '"{""seats"":3}"', { custom_fields: { seats: 3 } }],
    ["custom_fields.seats", "2.5", { custom_fields: { seats: 2.5 } }],
    ["custom_fields.trial", "yes", { custom_fields: { trial: true } }],
    ["custom_fields.uses", "crm;mail", { custom_fields: { uses: ["crm", "mail"] } }],
    ["custom_fields.plan", "gold", { custom_fields: { plan: "gold" } }],
    ["birthday", "1990-02-28", { birthday: "1990-02-28" }],
    ["birthday", "28.2.1990 08:00", { birthday: "1990-02-28" }],
    ["custom_fields.seats", '"1,200.5"', { custom_fields: { seats: 1200.5 } }],
    ["lifecycle_stage", "Customer", { lifecycle_stage: "customer" }],
    ["phone", "+49 30 1234567", { phone: "+49 30 1234567", phone_e164: "+49301234567" }],
    ["external_id", "0042", { external_id: expect.stringMatching(/^0042$/) }],
    ["score", "", { score: null }],
  ])("%s: %s", async (column, cell, expected) => {
    const email = fresh("cell");
    const { client } = mine;
    const ended = await runImport(client, contactsCsv(csv(`email,${column}`, `${email},${cell}`)));
    expect(counts(ended), JSON.stringify(await rowsOf(client, ended.id))).toMatchObject({ created: 1 });
    const contact = await contactOf(mine, email);
    expect(contact).toMatchObject(expected);
    await client.delete(`/contacts/${contact.id}`);
  });

  test.each([
    ["birthday", "3/9/1984", "birthday", "The birthday field must be a date such as 2026-03-21."],
    ["score", "many", "score", "The score field must be a whole number from 0 to 100."],
    ["score", "101", "score", "The score field must be a whole number from 0 to 100."],
    ["do_not_contact", "perhaps", "do_not_contact", "The do_not_contact field must be true or false."],
    ["address", "Oslo", "address", "The address field must be an object."],
    ["tags", '"[1"', "tags", "The tags field must be a list of texts."],
    ["custom_fields.seats", "x", "custom_fields.seats", "The custom_fields.seats field must be a number."],
    ["custom_fields.plan", "silver", "custom_fields.plan", "The custom_fields.plan field must be one of: gold, free."],
  ])("%s is not %s", async (column, cell, at, sentence) => {
    const ended = await runImport(mine.client, contactsCsv(csv(`email,${column}`, `${fresh("bad")},${cell}`)));
    const [row] = await rowsOf(mine.client, ended.id, "failed");
    expect(row.error).toEqual({ code: "validation_error", message: sentence, details: { [at]: [sentence] } });
  });

  test("a row with more or fewer cells than the header fails alone", async () => {
    const email = fresh("short");
    const ended = await runImport(mine.client, contactsCsv(csv("email,score", `${email},1,2`, email, `${email},3`)));
    expect(counts(ended)).toMatchObject({ created: 1, failed: 2 });
    const [row] = await rowsOf(mine.client, ended.id, "failed");
    expect(row.error.message).toBe("The row has 3 cells, and the header has 2.");
  });
});

describe("the mapping", () => {
  test("renames columns, leaves some out, and reaches into objects", async () => {
    const email = fresh("mapped");
    const ended = await runImport(
      mine.client,
      contactsCsv(csv("E-Mail,Ort,Plan,Notes,first_name", `${email},Oslo,gold,secret,Ann`), {
        mapping: { "E-Mail": "email", Ort: "address.city", Plan: "custom_fields.plan", Notes: null },
      }),
    );
    expect(ended["mapping"]).toEqual({
      "E-Mail": "email",
      Ort: "address.city",
      Plan: "custom_fields.plan",
      Notes: null,
      first_name: "first_name",
    });
    expect(await contactOf(mine, email)).toMatchObject({
      first_name: "Ann",
      address: { city: "Oslo" },
      custom_fields: { plan: "gold" },
    });
  });

  test("renames keys of NDJSON", async () => {
    const email = fresh("keys");
    const ended = await runImport(
      mine.client,
      contactsNdjson([{ mail: email, town: "Oslo", junk: 1, score: 3 }], {
        mapping: { mail: "email", town: "address.city", junk: null },
      }),
    );
    expect(counts(ended)).toMatchObject({ created: 1 });
    expect(await contactOf(mine, email)).toMatchObject({ address: { city: "Oslo" }, score: 3 });
  });

  test.each<[string, Record<string, unknown>, string, string, RegExp]>([
    ["email,scroe", {}, "unknown_field", "mapping.scroe", /Did you mean score\?.*or to null to leave it out\.$/],
    ["email,custom_fields.paln", {}, "unknown_field", "mapping.custom_fields.paln", /custom_fields\.plan/],
    ["email,address.town", {}, "unknown_field", "mapping.address.town", /address\.city/],
    ["email,x", { mapping: { x: "created_at" } }, "read_only_field", "mapping.x", /read-only/],
    ["email,score", { mapping: { scor: "score" } }, "validation_error", "mapping.scor", /Did you mean score\?/],
    ["email,score,score", {}, "validation_error", "mapping.score", /more than once/],
    ["email,a,b", { mapping: { a: "score", b: "score" } }, "validation_error", "mapping.b", /and so is a\.$/],
    ["email,address,address.city", {}, "validation_error", "mapping.address.city", /and so is address\.$/],
    ["first_name", {}, "validation_error", "email", /required, and nothing/],
    ["email", { match_by: "external_id" }, "validation_error", "match_by", /nothing is mapped to it/],
    ["email", { match_by: "emial" }, "validation_error", "match_by", /Did you mean email\?/],
    ["email", { on_conflict: "ignore" }, "validation_error", "on_conflict", /must be one of/],
    ["email", { mapping: { email: 1 } }, "validation_error", "mapping.email", /field's name, or null/],
    ["email", { resource: "users" }, "validation_error", "resource", /must be one of: contacts/],
    ["email", { format: "xml" }, "validation_error", "format", /must be one of: csv, ndjson/],
    ["email", { content: "" }, "validation_error", "content", /must not be empty/],
    ["email", { content: "\n \n" }, "validation_error", "content", /must begin with a header row/],
    [
      "email",
      { content: 'email,"x' },
      "validation_error",
      "content",
      /header row has a quoted cell that is not closed/,
    ],
    ["email", { dryrun: true }, "unknown_field", "dryrun", /Did you mean dry_run\?/],
  ])("%s with %j is refused at once", async (header, options, code, at, sentence) => {
    const { status, error } = await mine.client.post("/imports", contactsCsv(csv(header, "x"), options));
    expect({ status, code: error?.code, at: Object.keys(error?.details ?? {}) }).toEqual({
      status: 400,
      code,
      at: [at],
    });
    expect(error.details[at][0]).toMatch(sentence);
  });

  test("all that is wrong is said at once", async () => {
    const { error } = await mine.client.post("/imports", contactsCsv(csv("emial,scroe,id", "x,1,2")));
    expect(error.code).toBe("validation_error");
    expect(Object.keys(error.details)).toEqual(["mapping.emial", "mapping.scroe", "email"]);
  });
});

describe("a record that is there already", () => {
  test.each([
    ["update", { updated: 1, unchanged: 1, failed: 0 }, "Changed"],
    ["return", { updated: 0, unchanged: 2, failed: 0 }, "Before"],
    ["error", { updated: 0, unchanged: 0, failed: 2 }, "Before"],
  ])("on_conflict=%s", async (onConflict, expected, name) => {
    const [one, two, three] = [fresh("one"), fresh("two"), fresh("three")];
    await mine.client.post("/contacts", { email: one, first_name: "Before", last_name: "Kept", score: 1 });
    const before = await mine.client.post("/contacts", { email: two, first_name: "Same" });
    const content = csv("email,first_name,score", `${one.toUpperCase()},Changed,`, `${two},Same,`, `${three},New,3`);
    const ended = await runImport(mine.client, contactsCsv(content, { on_conflict: onConflict }));
    expect(counts(ended)).toMatchObject({ created: 1, ...expected });
    expect(await contactOf(mine, one)).toMatchObject({ first_name: name, last_name: "Kept", score: 1, source: "api" });
    expect((await contactOf(mine, two)).version).toBe(1);
    const [, second] = await rowsOf(mine.client, ended.id);
    expect(second.id ?? second.error.details.existing_id).toBe(before.data.id);
    if (onConflict === "error")
      expect(second.error).toMatchObject({ code: "duplicate_email", details: { field: "email" } });
  });

  test("is found by another unique field; the first one's owner is then in the way", async () => {
    const [old, other] = [fresh("old"), fresh("other")];
    const id = randomUUID();
    await mine.client.post("/contacts", { email: old, external_id: id });
    await mine.client.post("/contacts", { email: other });
    const renamed = fresh("renamed");
    const content = csv("external_id,email", `${id},${renamed}`, `${randomUUID()},${other}`);
    const ended = await runImport(mine.client, contactsCsv(content, { match_by: "external_id" }));
    expect(counts(ended)).toMatchObject({ updated: 1, failed: 1, created: 0 });
    expect(await contactOf(mine, renamed)).toMatchObject({ external_id: id });
    const [row] = await rowsOf(mine.client, ended.id, "failed");
    expect(row).toMatchObject({ row: 2, error: { code: "duplicate_email" } });
  });

  test("rows about the same record are one change of it, as if each had been made by itself", async () => {
    const email = fresh("turns");
    const content = csv("email,score,first_name", `${email},1,A`, `${email},2,`, `${email.toUpperCase()},,C`);
    for (const [options, expected] of [
      [{ dry_run: true }, { created: 1, updated: 2 }],
      [{}, { created: 1, updated: 2 }],
      [{ dry_run: true }, { unchanged: 3 }],
      [{}, { unchanged: 3 }],
    ] as const)
      expect(counts(await runImport(mine.client, contactsCsv(content, options)))).toMatchObject(expected);
    expect(await contactOf(mine, email)).toMatchObject({ score: 2, first_name: "C", version: 1 });
  });

  test("of rows about the same record one that can't be written fails alone", async () => {
    const [email, other] = [fresh("among"), fresh("other")];
    await mine.client.post("/contacts", { email: other, external_id: other });
    const rows = Array.from({ length: 20 }, (_, n) => `${email},${n},${n === 11 ? other : ""},F${n}`);
    const ended = await runImport(mine.client, contactsCsv(csv("email,score,external_id,first_name", ...rows)));
    expect(counts(ended)).toMatchObject({ created: 1, updated: 18, failed: 1 });
    const [failed] = await rowsOf(mine.client, ended.id, "failed");
    expect(failed).toMatchObject({ row: 12, error: { code: "duplicate_external_id" } });
    expect(await contactOf(mine, email)).toMatchObject({ score: 19, first_name: "F19", external_id: null });
  });

  test.each([
    ["return", { created: 1, unchanged: 2, failed: 1 }, "Second"],
    ["error", { created: 1, failed: 3 }, "Second"],
    ["update", { created: 1, updated: 2, failed: 1 }, "Fourth"],
  ])("the first of them that can be written decides: on_conflict=%s", async (onConflict, expected, name) => {
    const [email, other] = [fresh("first"), fresh("holder")];
    await mine.client.post("/contacts", { email: other, external_id: other });
    const rows = ["First", "Second", "Third", "Fourth"].map((n) => `${email},${n},${n === "First" ? other : ""}`);
    const content = csv("email,first_name,external_id", ...rows);
    const options = { on_conflict: onConflict };
    const dry = await runImport(mine.client, contactsCsv(content, { ...options, dry_run: true }));
    expect(counts(dry)).toMatchObject(expected);
    const ended = await runImport(mine.client, contactsCsv(content, options));
    expect(counts(ended)).toMatchObject(expected);
    const contact = await contactOf(mine, email);
    expect(contact.first_name).toBe(name);
    for (const row of await rowsOf(mine.client, ended.id))
      if (row.status !== "failed") expect(row.id).toBe(contact.id);
      else if (row.row > 1) expect(row.error.details.existing_id).toBe(contact.id);
  });

  test("of an object each row gives members, and what a row clears is cleared", async () => {
    const email = fresh("members");
    const content = [
      { email, address: { city: "Rome", street: "1 Via" }, custom_fields: { seats: 1 } },
      { email, address: { city: "Oslo" }, custom_fields: { plan: "gold" } },
    ];
    await runImport(mine.client, contactsNdjson(content));
    expect(await contactOf(mine, email)).toMatchObject({
      address: { city: "Oslo", street: "1 Via" },
      custom_fields: { seats: 1, plan: "gold" },
      version: 1,
    });
    await runImport(
      mine.client,
      contactsNdjson([
        { email, address: null },
        { email, address: { state: "OR" } },
      ]),
    );
    expect((await contactOf(mine, email)).address).toEqual({ state: "OR" });
  });

  test("what a row leaves out stays as it is, whatever its neighbours name", async () => {
    const people = Array.from({ length: 6 }, (_, n) => ({ email: fresh(`sparse${n}`), score: n, first_name: `F${n}` }));
    await mine.client.post("/contacts/bulk", { records: people.map((one) => ({ ...one, address: { city: "Rome" } })) });
    const content = csv(
      "email,score,first_name,address.street",
      ...people.map(
        ({ email }, n) => `${email},${n % 2 ? 50 + n : ""},${n % 3 ? `G${n}` : ""},${n === 4 ? "Via" : ""}`,
      ),
    );
    const ended = await runImport(mine.client, contactsCsv(content));
    expect(counts(ended)).toMatchObject({ updated: 5, unchanged: 1 });
    for (const [n, { email }] of people.entries()) {
      expect(await contactOf(mine, email)).toMatchObject({
        score: n % 2 ? 50 + n : n,
        first_name: n % 3 ? `G${n}` : `F${n}`,
        address: n === 4 ? { city: "Rome", street: "Via" } : { city: "Rome" },
      });
    }
  });

  test("an activity's external id counts within its type", async () => {
    const contact = await mine.client.post("/contacts", { email: fresh("calls") });
    const rows = (subject: string) => ({
      resource: "activities",
      format: "csv",
      content: csv(
        "type,external_id,subject,contact_id,data.to",
        `call,e1,${subject},${contact.data.id},+49301`,
        `note,e1,${subject},${contact.data.id},`,
      ),
    });
    expect(counts(await runImport(mine.client, rows("First")))).toMatchObject({ created: 2, failed: 0 });
    expect(counts(await runImport(mine.client, rows("Second")))).toMatchObject({ updated: 2, created: 0 });
    const { data } = await mine.client.get("/activities?external_id=e1&sort=type");
    expect(data.map((one: { subject: string }) => one.subject)).toEqual(["Second", "Second"]);
    expect(data[0].data).toEqual({ to: "+49301" });
  });
});

test("what only the database knows fails its row and no other", async () => {
  const emails = Array.from({ length: 40 }, (_, n) => fresh(`row${n}`));
  const content = csv(
    "email,company_id,custom_fields",
    ...emails.map((email, n) =>
      n % 13 === 5 ? `${email},${randomUUID()},` : n === 20 ? `${email},,"{""nothing"":1}"` : `${email},,`,
    ),
  );
  const ended = await runImport(mine.client, contactsCsv(content));
  expect(counts(ended)).toMatchObject({ created: 36, failed: 4 });
  const failed = await rowsOf(mine.client, ended.id, "failed");
  expect(failed.map(({ row, error }) => [row, error.code, Object.keys(error.details)])).toEqual([
    [6, "reference_not_found", ["company_id"]],
    [19, "reference_not_found", ["company_id"]],
    [21, "unknown_field", ["custom_fields.nothing"]],
    [32, "reference_not_found", ["company_id"]],
  ]);
});

test.each([
  ["companies", "domain,name,annual_revenue,currency,type", ["a.example,A Ltd,1000.50,EUR,customer", ",B Ltd,5,,"], 1],
  ["deals", "external_id,name,amount,currency,tags", ["d1,Deal,99.90,EUR,big;new", "d2,Other,,,"], 2],
  [
    "tasks",
    "external_id,title,due_at,remind_at",
    ["t1,Call,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z", "t2,Late,2026-01-02T00:00:00Z,2026-01-03T00:00:00Z"],
    1,
  ],
])("%s can be imported, under their own rules", async (resource, header, lines, created) => {
  const workspace = await createWorkspace();
  const body = { resource, format: "csv", content: csv(header, ...lines) };
  const first = await runImport(workspace.client, body);
  expect(counts(first)).toMatchObject({ created, failed: lines.length - created });
  expect(counts(await runImport(workspace.client, body))).toMatchObject({ unchanged: created });
});

describe("a dry run", () => {
  test("says what would happen, row by row, and changes nothing", async () => {
    const workspace = await createWorkspace();
    const there = fresh("there");
    await workspace.client.post("/contacts", { email: there, score: 1 });
    // More than a batch: what the first would create, the second must know of.
    const emails = Array.from({ length: 1_500 }, (_, n) => `dry${n}@test.example`);
    const lines = [...emails, emails[0], there, "bad"].map((email) => `${email},5`);
    const content = csv("email,score", ...lines);
    const dry = await runImport(workspace.client, contactsCsv(content, { dry_run: true }));
    expect(counts(dry)).toMatchObject({ created: 1_500, updated: 2, failed: 1 });
    expect((await workspace.client.get("/contacts")).meta.total).toBe(1);
    expect(await contactOf(workspace, there)).toMatchObject({ score: 1, version: 1 });
    const report = await rowsOf(workspace.client, dry.id);
    expect(report).toHaveLength(1_503);
    expect(report[0]).toEqual({ row: 1, line: 2, status: "created", id: null, error: null });

    const strict = contactsCsv(content, { dry_run: true, on_conflict: "error" });
    expect(counts(await runImport(workspace.client, strict))).toMatchObject({ created: 1_500, failed: 3 });
    const real = await runImport(workspace.client, contactsCsv(content));
    expect(counts(real)).toMatchObject({ created: 1_500, updated: 1, unchanged: 1, failed: 1 });
  });
});

describe("a file in parts", () => {
  const upload = async (workspace: Workspace, options: Record<string, unknown> = {}) => {
    const { status, data } = await workspace.client.post("/imports", {
      resource: "contacts",
      format: "csv",
      ...options,
    });
    expect({ status, import: data.status, bytes: data.bytes_total }).toEqual({
      status: 202,
      import: "uploading",
      bytes: 0,
    });
    return data.id as string;
  };

  test("may be split anywhere and sent in any order, a part more than once", async () => {
    const [ann, bob] = [fresh("ann"), fresh("bob")];
    const content = csv("email,first_name", `${ann},"A ""quoted, cell"""`, `${bob},Zoë 🏔`);
    const id = await upload(mine);
    const cut = [10, content.indexOf('""quoted') + 1, content.indexOf("cell"), content.indexOf(" 🏔")];
    const parts = [0, ...cut].map((from, n) => content.slice(from, cut[n]));
    for (const part of [3, 0, 4, 1, 2, 0]) {
      const { status, data } = await mine.client.post(`/imports/${id}/parts`, { part, content: parts[part] });
      expect({ status, import: data.status }).toEqual({ status: 200, import: "uploading" });
    }
    const started = await mine.client.post(`/imports/${id}/start`);
    expect({ status: started.status, import: started.data.status }).toEqual({ status: 202, import: "queued" });
    expect(started.data).toMatchObject({ bytes_total: Buffer.byteLength(content), match_by: "email" });
    expect(counts(await endOf(mine.client, id))).toMatchObject({ created: 2, failed: 0 });
    expect(await contactOf(mine, ann)).toMatchObject({ first_name: 'A "quoted, cell"' });
    expect(await contactOf(mine, bob)).toMatchObject({ first_name: "Zoë 🏔" });
    const [row] = await database()`select count(*)::integer as left from crm.import_parts where import_id = ${id}`;
    expect(row?.["left"]).toBe(0);
  });

  test("is checked when it is started: missing parts, and its header", async () => {
    const id = await upload(mine);
    const start = async () => (await mine.client.post(`/imports/${id}/start`)).error;
    expect((await start()).details).toEqual({ part: ["Part 0 is missing."] });
    await mine.client.post(`/imports/${id}/parts`, { part: 0, content: "emial\n" });
    await mine.client.post(`/imports/${id}/parts`, { part: 2, content: "x" });
    expect((await start()).details).toEqual({ part: ["Part 1 is missing."] });
    await mine.client.post(`/imports/${id}/parts`, { part: 1, content: "x" });
    expect(Object.keys((await start()).details)).toEqual(["mapping.emial", "email"]);
    await mine.client.post(`/imports/${id}/parts`, { part: 0, content: "email\n" });
    expect(await start()).toBeUndefined();
    const late = await mine.client.post(`/imports/${id}/parts`, { part: 3, content: "x" });
    expect({ status: late.status, code: late.error.code }).toEqual({ status: 409, code: "import_not_uploading" });
    expect(await start()).toMatchObject({ code: "import_not_uploading" });
    await endOf(mine.client, id);
  });

  test.each([
    [{ part: -1, content: "x" }, "part"],
    [{ part: 10_000, content: "x" }, "part"],
    [{ content: "x" }, "part"],
    [{ part: 0 }, "content"],
    [{ part: 0, content: "" }, "content"],
    [{ part: 0, content: "a\0" }, "content"],
    [{ part: 0, content: "x", number: 1 }, "number"],
  ])("the part %j is refused", async (body, at) => {
    const id = await upload(mine);
    const { status, error } = await mine.client.post(`/imports/${id}/parts`, body);
    expect({ status, at: Object.keys(error.details) }).toEqual({ status: 400, at: [at] });
  });

  test("makes many batches; a row may be longer than what is read at once, up to a limit", async () => {
    const workspace = await createWorkspace();
    const rows = Array.from({ length: 5_000 }, (_, n) => `batch${n}@test.example,Person ${n},"${"n".repeat(180)}"\r\n`);
    rows[2_500] = `long@test.example,Long,"${"x".repeat(900_000)}"\r\n`;
    const content = `email,first_name,job_title\r\n${rows.join("")}`;
    const id = await upload(workspace);
    for (let part = 0; part * 700_000 < content.length; part++)
      await workspace.client.post(`/imports/${id}/parts`, {
        part,
        content: content.slice(part * 700_000, (part + 1) * 700_000),
      });
    await workspace.client.post(`/imports/${id}/start`);
    const ended = await endOf(workspace.client, id);
    expect(counts(ended)).toMatchObject({ created: 4_999, failed: 1, rows_total: 5_000 });
    expect((await rowsOf(workspace.client, id, "failed"))[0]).toMatchObject({ row: 2_501 });
    expect((await workspace.client.get("/contacts")).meta.total).toBe(4_999);
    const sorted = await workspace.client.all("/contacts?fields=first_name&sort=id&limit=100");
    expect(sorted.map((one) => one["first_name"]).slice(0, 2_500)).toEqual(
      Array.from({ length: 2_500 }, (_, n) => `Person ${n}`),
    );
  });

  test("with a row of more than 1 MB is given up", async () => {
    const workspace = await createWorkspace();
    const id = await upload(workspace);
    await workspace.client.post(`/imports/${id}/parts`, {
      part: 0,
      content: `email\r\na@test.example\r\n"${"x".repeat(3_000_000)}`,
    });
    await workspace.client.post(`/imports/${id}/parts`, { part: 1, content: "x".repeat(3_000_000) });
    await workspace.client.post(`/imports/${id}/start`);
    const ended = await endOf(workspace.client, id);
    expect(ended).toMatchObject({ status: "failed", created: 1, error: { code: "validation_error" } });
    expect((ended["error"] as { message: string }).message).toMatch(/^Row 2 is longer than 1 MB/);
  });
});

test("cancelling ends an import where it is; one that has ended can't be", async () => {
  const { data } = await mine.client.post("/imports", { resource: "contacts", format: "csv" });
  await mine.client.post(`/imports/${data.id}/parts`, { part: 0, content: "email\n" });
  const cancelled = await mine.client.post(`/imports/${data.id}/cancel`);
  expect({ status: cancelled.status, import: cancelled.data.status }).toEqual({ status: 200, import: "cancelled" });
  expect(cancelled.data.completed_at).not.toBeNull();
  const again = await mine.client.post(`/imports/${data.id}/cancel`);
  expect({ status: again.status, error: again.error }).toMatchObject({
    status: 409,
    error: { code: "import_finished", details: { status: "cancelled" } },
  });
  expect((await mine.client.post(`/imports/${data.id}/start`)).error.code).toBe("import_not_uploading");
});

test("an Idempotency-Key makes one import of a repeated request", async () => {
  const body = contactsCsv(csv("email", fresh("once")));
  const headers = { "idempotency-key": randomUUID() };
  const first = await mine.client.post("/imports", body, headers);
  await endOf(mine.client, first.data.id);
  const second = await mine.client.post("/imports", body, headers);
  expect(second.status).toBe(202);
  expect(second.headers.get("idempotent-replayed")).toBe("true");
  expect({ data: second.data, meta: second.meta }).toEqual({ data: first.data, meta: first.meta });
  const other = await mine.client.post("/imports", { ...body, dry_run: true }, headers);
  expect(other.error.code).toBe("idempotency_key_reused");
});

describe("what is exported can be imported", () => {
  test.each(["csv", "ndjson"])("as %s", async (format) => {
    const { client } = mine;
    const domain = randomUUID();
    const people = [
      {
        email: `a@${domain}.example`,
        first_name: 'Ann "x", y',
        tags: ["a;b", "c"],
        address: { city: "Oslo" },
        score: 1,
      },
      {
        email: `b@${domain}.example`,
        last_name: " Zoë \n🏔",
        custom_fields: { plan: "gold", seats: 1.5, uses: ["crm"] },
      },
      { email: `c@${domain}.example`, do_not_contact: true, birthday: "1990-01-01", phone: "+49 30 1234567" },
    ];
    await client.post("/contacts/bulk", { records: people });
    const listed = await client.all(`/contacts?email[contains]=${domain}&sort=email`);
    const response = await fetch(
      `${client.baseUrl}/v1/contacts/export?format=${format}&email[contains]=${domain}&sort=email`,
      { headers: { authorization: `Bearer ${client.key}` } },
    );
    const content = await response.text();
    for (const { id } of listed as { id: string }[]) await client.delete(`/contacts/${id}`);
    const ended = await runImport(client, { resource: "contacts", format, content });
    expect(counts(ended), JSON.stringify(await rowsOf(client, ended.id))).toMatchObject({ created: 3, failed: 0 });
    const own = (contacts: Record<string, unknown>[]) =>
      contacts.map(({ id, version, source, created_at, updated_at, created_by, updated_by, ...fields }) => fields);
    expect(own(await client.all(`/contacts?email[contains]=${domain}&sort=email`))).toEqual(own(listed));
  });
});

describe("the lists", () => {
  test("of imports has filters, sort, fields and cursors", async () => {
    const workspace = await createWorkspace();
    const { client } = workspace;
    const ids: string[] = [];
    for (const resource of ["contacts", "companies", "contacts"])
      ids.push((await client.post("/imports", { resource, format: "csv" })).data.id);
    await client.post(`/imports/${ids[0]}/cancel`);
    expect((await client.get("/imports")).data.map(({ id }: ImportRow) => id)).toEqual(ids.toReversed());
    const page = await client.get("/imports?resource=contacts&limit=1&sort=created_at&fields=status");
    expect(page.meta).toMatchObject({ total: 2, has_more: true });
    expect(page.data).toEqual([{ id: ids[0], status: "cancelled" }]);
    const next = await client.get(
      `/imports?resource=contacts&limit=1&sort=created_at&fields=status&cursor=${page.meta.next_cursor}`,
    );
    expect(next.data).toEqual([{ id: ids[2], status: "uploading" }]);
    expect(next.meta).toMatchObject({ total: 2, has_more: false });
    expect((await client.get("/imports?status=uploading")).meta.total).toBe(2);
    expect((await client.get("/imports?staus=x")).error.code).toBe("unknown_parameter");
    expect((await client.get("/imports?status=x")).error.code).toBe("invalid_filter");
    expect((await client.get(`/imports/${ids[1]}?fields=resource`)).data).toEqual({
      id: ids[1],
      resource: "companies",
    });
  });

  test("of rows has a status, a limit and cursors that belong to it", async () => {
    const lines = Array.from({ length: 7 }, (_, n) => (n % 3 === 1 ? "bad" : fresh(`page${n}`)));
    const { id } = await runImport(mine.client, contactsCsv(csv("email", ...lines)));
    const first = await mine.client.get(`/imports/${id}/rows?limit=3`);
    expect(first.data.map(({ row }: { row: number }) => row)).toEqual([1, 2, 3]);
    expect(first.meta).toMatchObject({ total: 7, limit: 3, has_more: true });
    const cursor = encodeURIComponent(first.meta.next_cursor);
    const second = await mine.client.get(`/imports/${id}/rows?limit=3&cursor=${cursor}`);
    expect(second.data.map(({ row }: { row: number }) => row)).toEqual([4, 5, 6]);
    const failed = await mine.client.get(`/imports/${id}/rows?status=failed`);
    expect(failed.data.map(({ row }: { row: number }) => row)).toEqual([2, 5]);
    expect(failed.meta).toMatchObject({ total: 2, has_more: false });
    expect((await mine.client.get(`/imports/${id}/rows?status=failed&cursor=${cursor}`)).error.code).toBe(
      "invalid_cursor",
    );
    expect((await mine.client.get(`/imports/${id}/rows?status=fialed`)).error.message).toMatch(/Did you mean failed\?/);
  });
});

describe("rights", () => {
  const contacts = { resource: "contacts", format: "csv" };

  test("an import takes the write scope of what it imports; its report the read scope", async () => {
    const { workspaceId } = mine;
    const key = (permissions: Record<string, "none" | "read" | "write">) =>
      createKey({ workspaceId, scope: "custom", permissions });
    const reader = (await key({ contacts: "read" })).client;
    const writer = (await key({ contacts: "write" })).client;
    const stranger = (await key({ deals: "write" })).client;
    expect((await reader.post("/imports", contacts)).error.details.required_scope).toBe("contacts:write");
    expect((await writer.post("/imports", { ...contacts, resource: "companies" })).status).toBe(403);
    const { id } = (await writer.post("/imports", contacts)).data;
    expect((await reader.get(`/imports/${id}`)).data.id).toBe(id);
    expect((await reader.get(`/imports/${id}/rows`)).data).toEqual([]);
    expect((await reader.post(`/imports/${id}/cancel`)).status).toBe(403);
    expect((await reader.post(`/imports/${id}/parts`, { part: 0, content: "x" })).status).toBe(403);
    expect((await stranger.get(`/imports/${id}`)).status).toBe(404);
    expect((await stranger.get(`/imports/${id}/rows`)).status).toBe(404);
    expect((await stranger.get("/imports")).data).toEqual([]);
    expect((await reader.get("/imports?limit=1")).data[0].id).toBe(id);
    expect((await writer.post(`/imports/${id}/cancel`)).status).toBe(200);
  });

  test("a signed-in user's import is theirs, and done with their rights", async () => {
    const user = new Client(stack().functionUrl, await sessionToken(mine.userId));
    const email = fresh("session");
    const ended = await runImport(user, contactsCsv(csv("email", email)));
    const actor = { type: "user", id: mine.userId };
    expect(ended).toMatchObject({ status: "completed", created: 1, created_by: actor });
    expect(await contactOf(mine, email)).toMatchObject({ source: "import", created_by: actor });
  });

  test("another workspace's import does not exist", async () => {
    const other = await createWorkspace();
    const { id } = (await mine.client.post("/imports", contacts)).data;
    for (const answer of [
      await other.client.get(`/imports/${id}`),
      await other.client.get(`/imports/${id}/rows`),
      await other.client.post(`/imports/${id}/parts`, { part: 0, content: "x" }),
      await other.client.post(`/imports/${id}/start`),
      await other.client.post(`/imports/${id}/cancel`),
    ])
      expect(answer.status).toBe(404);
    expect((await other.client.get("/imports")).data).toEqual([]);
  });

  test.each([
    ["revoked", "revoked_at = now()", "invalid_api_key"],
    ["expired", "expires_at = now()", "expired_api_key"],
    ["narrowed", `scope = 'custom', permissions = '{"companies":"write"}'`, "insufficient_scope"],
  ])("the work has the rights of whose it is: a key that was %s ends it", async (_how, change, code) => {
    const key = await createKey({ workspaceId: mine.workspaceId });
    const { id } = (await key.client.post("/imports", contacts)).data;
    const email = fresh("never");
    await key.client.post(`/imports/${id}/parts`, { part: 0, content: csv("email", email) });
    await database().unsafe(`update crm.api_keys set ${change} where id = '${key.id}'`);
    expect((await mine.client.post(`/imports/${id}/start`)).status).toBe(202);
    const ended = await endOf(mine.client, id);
    expect(ended).toMatchObject({ status: "failed", created: 0, error: { code } });
    expect(await contactOf(mine, email)).toBeUndefined();
  });
});

test("the drain is a path only for who knows the secret", async () => {
  const { functionUrl, functionEnv } = stack();
  const drain = (headers: Record<string, string>, method = "POST") =>
    fetch(`${functionUrl}/internal/drain`, { method, headers: { "x-forwarded-for": randomUUID(), ...headers } });
  const secret = { "x-cron-secret": functionEnv["CRON_SECRET"] ?? "" };
  expect((await drain(secret)).status).toBe(202);
  expect((await drain({})).status).toBe(401);
  expect((await drain({ "x-cron-secret": `${secret["x-cron-secret"]}x` })).status).toBe(401);
  expect((await drain({ authorization: `Bearer ${mine.key}` })).status).toBe(404);
  expect((await drain(secret, "GET")).status).toBe(401);
  expect((await mine.client.post("/internal/drain", {}, secret)).status).toBe(404);
});
