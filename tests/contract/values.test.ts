import { beforeAll, describe, expect, test } from "vitest";
import { isMailbox } from "../../shared/resources/mailbox.ts";
import { readE164 } from "../../shared/resources/phone.ts";
import { plainText } from "../../shared/resources/plain_text.ts";
import { readTime } from "../../shared/resources/time.ts";
import { MINOR_UNITS } from "../../shared/standards/currencies.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

let key: Awaited<ReturnType<typeof createWorkspace>>;
const custom: Record<string, string> = {};
beforeAll(async () => {
  key = await createWorkspace();
  for (const type of ["url", "email", "datetime", "number", "text", "select"]) {
    const options = type === "select" ? { options: ["Größe", "Klein"] } : {};
    const body = { resource: "contacts", key: `v_${type}`, label: type, type, ...options };
    custom[type] = (await key.client.post("/custom_fields", body)).data.key;
  }
});

const contact = async (fields: object) =>
  await key.client.post("/contacts?dry_run=true", { email: freshEmail(), ...fields });
const customValue = async (type: string, value: unknown) =>
  await contact({ custom_fields: { [custom[type] ?? ""]: value } });

describe("mailboxes, in a contact, an activity and a custom field alike (RFC 5321, 6531)", () => {
  const good = [
    "a&b@x.example",
    "bounce+ada=acme.com@x.example",
    "a/b!c@x.example",
    "o'@x.example",
    "info@xn--e1afmkfd.xn--p1ai",
    "info@münchen.example",
    "ünï@x.example",
    '"quoted local"@x.example',
    "{}|~^@x.example",
  ];
  const bad = [
    ".a@x.example",
    "a..b@x.example",
    "a.@x.example",
    "a@x",
    "a@-x.example",
    "a@x-.example",
    "a@x..example",
    "a@x.123",
    "a b@x.example",
    "(a@x.example",
    `${"l".repeat(65)}@x.example`,
    `a@${"d".repeat(64)}.example`,
    "a@x.example\u0007b",
    "@x.example",
    "x@d.münchen。example",
    "x@d．example",
    "x@d｡example",
  ];
  test.each(good)("%s is one", async (email) => {
    expect((await contact({ email })).data?.email).toBe(email);
    expect((await customValue("email", email)).status).toBe(201);
    expect(isMailbox(email)).toBe(true);
  });
  test.each(bad)("%s is none", async (email) => {
    expect((await contact({ email })).error?.details).toEqual({
      email: ["The email field must be a valid email address."],
    });
    expect((await customValue("email", email)).status).toBe(400);
    expect(isMailbox(email)).toBe(false);
  });
});

describe("URLs, in a website and a custom field alike", () => {
  test.each([
    "https://[2001:db8::1]/",
    "https://localhost:3000/",
    "https://x.example/a%20b?q=1#f",
    "https://u:p@x.example",
  ])("%s is one", async (website) => {
    expect((await contact({ website })).data?.website).toBe(website);
    expect((await customValue("url", website)).status).toBe(201);
  });
  test.each([
    "https:foo.com",
    "https:/foo.com",
    "https:\\\\foo.com",
    "https://x.example/a b",
    "https://example.com:abc/",
    "https://example.com%80/",
    "https://[www.google.com]/",
    "https://256.0.0.1/x",
    "https://",
    "https://x.example/{a}",
    "https://x..example",
    "https://u@.example",
  ])("%s is none", async (website) => {
    expect((await contact({ website })).status).toBe(400);
    expect((await customValue("url", website)).status).toBe(400);
  });
});

describe("times are read as RFC 3339 has them, and shown in one width", () => {
  test.each([
    ["2026-03-21T10:30:00Z", "2026-03-21T10:30:00.000000Z"],
    ["2026-03-21t10:30:00.5z", "2026-03-21T10:30:00.500000Z"],
    ["2026-03-21T10:30:00+05:30", "2026-03-21T05:00:00.000000Z"],
    ["2026-03-21T10:30:00+0530", "2026-03-21T05:00:00.000000Z"],
    ["1998-12-31T23:59:60Z", "1999-01-01T00:00:00.000000Z"],
    ["1998-12-31T15:59:60.123-08:00", "1999-01-01T00:00:00.123000Z"],
    ["2026-03-21T10:30:00.123456789Z", "2026-03-21T10:30:00.123457Z"],
  ])("%s", async (given, shown) => {
    expect((await key.client.post("/tasks?dry_run=true", { title: "t", due_at: given })).data?.due_at).toBe(shown);
    expect((await customValue("datetime", given)).data?.custom_fields[custom["datetime"] ?? ""]).toBe(shown);
    const [row] = await database()`select crm.read_time(${given}) as time`;
    expect(row?.["time"]).toBe(readTime(given));
  });
  test.each([
    "2026-03-21T24:00:00Z",
    "2026-03-21T10:30Z",
    "2026-03-21T22:59:60Z",
    "2026-02-30T00:00:00Z",
    "nonsense",
    "",
  ])("%j is none, which is said once", async (given) => {
    const { error } = await key.client.post("/tasks?dry_run=true", { title: "t", due_at: given });
    expect(error?.details).toEqual({ due_at: ["The due_at field must be a timestamp such as 2026-03-21T10:30:00Z."] });
    expect((await customValue("datetime", given)).status).toBe(400);
  });

  test("a day as a filter on a time is the whole day", async () => {
    const title = `day ${Date.now()}`;
    await key.client.post("/tasks", { title, due_at: "2026-06-15T09:30:00Z" });
    for (const [filter, total] of [
      ["due_at=2026-06-15", 1],
      ["due_at[lte]=2026-06-15", 1],
      ["due_at[gte]=2026-06-15", 1],
      ["due_at[gt]=2026-06-15", 0],
      ["due_at[lt]=2026-06-15", 0],
      ["due_at[ne]=2026-06-15", 0],
      ["due_at[in]=2026-06-14,2026-06-15", 1],
      ["due_at[nin]=2026-06-15", 0],
    ] as const)
      expect((await key.client.get(`/tasks?title=${encodeURIComponent(title)}&${filter}`)).meta.total, filter).toBe(
        total,
      );
  });
});

describe("numbers are kept exactly or refused", () => {
  test.each(["9007199254740993", "12345678901234567890", "1e400", "0.12345678901234567"])("%s", async (number) => {
    const path = "/contacts?dry_run=true";
    const body = `{"email":"${freshEmail()}","custom_fields":{"${custom["number"]}":${number}}}`;
    const { status, error } = await key.client.post(path, body);
    expect({ status, code: error?.code }).toEqual({ status: 400, code: "validation_error" });
  });

  test("money has the places of its currency, and what is wrong with it is said", async () => {
    const deal = async (amount: unknown, currency = "USD") =>
      await key.client.post("/deals?dry_run=true", { name: "D", amount, currency, probability: 33 });
    expect((await deal("101", "JPY")).data).toMatchObject({ amount: "101", weighted_amount: "33" });
    expect((await deal("1.234", "KWD")).data).toMatchObject({ amount: "1.234", weighted_amount: "0.407" });
    expect((await deal("100")).data).toMatchObject({ amount: "100.00", weighted_amount: "33.00" });
    for (const [amount, currency, sentence] of [
      ["1.23456", "USD", /at most 4 decimal places/],
      ["1.234", "USD", /at most 2 decimal places in USD/],
      ["100.50", "JPY", /no decimal places in JPY/],
      ["1,000.00", "USD", /thousands separators/],
      ["-1", "USD", /at least 0/],
      ["1000000000000000", "USD", /15 digits/],
    ] as const)
      expect((await deal(amount, currency)).error?.message, amount).toMatch(sentence);
    const body = '{"name":"D","currency":"USD","amount":99999999999999.99}';
    expect((await key.client.post("/deals?dry_run=true", body)).status).toBe(400);
  });

  test("currencies are those of ISO 4217 today, with the same minor units in SQL", async () => {
    for (const code of ["SLE", "XCG", "ZWG", "VED", "CLF", "CHE"]) expect(MINOR_UNITS.has(code), code).toBe(true);
    for (const code of ["SLL", "ANG", "ZWL", "HRK", "BGN"]) expect(MINOR_UNITS.has(code), code).toBe(false);
    const codes = [...MINOR_UNITS.keys()];
    const rows = await database()`
      select crm.minor_units(code) as units from unnest(${codes}::text[]) with ordinality as listed (code, n) order by n`;
    expect(rows.map((row) => row["units"])).toEqual([...MINOR_UNITS.values()]);
  });
});

describe("text", () => {
  test("is trimmed, in normal form C, and empty when nobody sees it, in a field and a custom one", async () => {
    for (const given of ["\ufeffBom", "\u00a0Nbsp \u200b", " Mu\u0308ller\t", "in\u200bside"]) {
      const { data } = await contact({ first_name: given, custom_fields: { [custom["text"] ?? ""]: given } });
      expect([data.first_name, data.custom_fields[custom["text"] ?? ""]]).toEqual([plainText(given), plainText(given)]);
    }
    for (const given of ["\u200b", " \u00a0", "\u00ad\u2060"]) {
      expect((await contact({ first_name: given })).error?.details).toEqual({
        first_name: ["The first_name field must not be empty."],
      });
      expect((await customValue("text", given)).status).toBe(400);
    }
    expect((await customValue("select", "Gro\u0308ße")).status).toBe(201);
  });

  test("values of every kind are trimmed of blanks and of what nobody sees, in fields, custom fields and filters", async () => {
    const around = (value: string) => `\u200b \u00a0${value}\ufeff\t`;
    const { data } = await key.client.post("/contacts", {
      email: around(freshEmail()),
      status: around("inactive"),
      birthday: around("1990-02-03"),
      timezone: around("Europe/Berlin"),
      locale: around("de-DE"),
      website: around("https://x.example"),
      owner_id: around(key.ownerId),
      address: { country: around("DE") },
      custom_fields: {
        [custom["datetime"] ?? ""]: around("2026-03-21T10:30:00Z"),
        [custom["select"] ?? ""]: around("Klein"),
        [custom["email"] ?? ""]: around("Ada@x.example"),
        [custom["url"] ?? ""]: around("https://x.example"),
      },
    });
    expect(data).toMatchObject({
      status: "inactive",
      birthday: "1990-02-03",
      timezone: "Europe/Berlin",
      locale: "de-DE",
      website: "https://x.example",
      owner_id: key.ownerId,
      address: { country: "DE" },
      custom_fields: {
        [custom["datetime"] ?? ""]: "2026-03-21T10:30:00.000000Z",
        [custom["select"] ?? ""]: "Klein",
        [custom["email"] ?? ""]: "Ada@x.example",
        [custom["url"] ?? ""]: "https://x.example",
      },
    });
    const deal = await key.client.post("/deals?dry_run=true", {
      name: "D",
      amount: around("12.50"),
      currency: around("USD"),
      expected_close_date: around("2027-01-01"),
    });
    expect(deal.data).toMatchObject({ amount: "12.50", currency: "USD", expected_close_date: "2027-01-01" });
    for (const [filter, value] of [
      ["status", "inactive"],
      ["status[in]", "inactive"],
      ["birthday[gte]", "1990-02-03"],
      ["created_at[gte]", data.created_at],
      ["owner_id", key.ownerId],
      ["do_not_contact", "false"],
      ["score[is_null]", "true"],
      [`custom_fields.${custom["datetime"]}`, "2026-03-21"],
      [`custom_fields.${custom["email"]}`, "ADA@X.example"],
      [`custom_fields.${custom["select"]}`, "Klein"],
    ] as const) {
      const { data: found, body } = await key.client.get(`/contacts?${filter}=${encodeURIComponent(around(value))}`);
      expect(
        found?.map((one: { id: string }) => one.id),
        `${filter} ${JSON.stringify(body)}`,
      ).toContain(data.id);
    }
  });

  test("names in a list may have blanks around them", async () => {
    const path =
      "/contacts?limit=1&sort=-score, created_at&fields=id, email&include=owner, company&status=active, inactive";
    const { status, data } = await key.client.get(path.replaceAll(" ", "%20"));
    expect({ status, names: Object.keys(data[0]) }).toEqual({
      status: 200,
      names: ["id", "email", "owner", "company"],
    });
    expect((await key.client.get("/search?q=ada&types=contacts,%20deals")).status).toBe(200);
    expect((await key.client.get("/contacts?score[%3E]=5")).error.message).toMatch(
      /^The > operator does not work on score\./,
    );
  });

  test("a custom address is compared in any case, and with its accents", async () => {
    const name = custom["email"] ?? "";
    const ids: string[] = [];
    for (const address of ["José@x.example", "jose@x.example"])
      ids.push(
        (await key.client.post("/contacts", { email: freshEmail(), custom_fields: { [name]: address } })).data.id,
      );
    for (const [typed, expected] of [
      ["JOSÉ@X.EXAMPLE", [ids[0]]],
      ["Jose\u0301@x.example", [ids[0]]],
      ["Jose@x.example", [ids[1]]],
    ] as const) {
      const { data } = await key.client.get(`/contacts?custom_fields.${name}=${encodeURIComponent(typed)}`);
      expect(
        data.map((one: { id: string }) => one.id),
        typed,
      ).toEqual(expected);
    }
    const both = await key.client.get(`/contacts?custom_fields.${name}[contains]=jose@&sort=created_at&fields=id`);
    expect(both.data.map((one: { id: string }) => one.id)).toEqual(ids);
    const others = await key.client.get(
      `/contacts?custom_fields.${name}[ne]=${encodeURIComponent("JOSÉ@x.example")}&id[in]=${ids}&fields=id`,
    );
    expect(others.status === 200 ? others.data.map((one: { id: string }) => one.id) : others.error).toEqual([ids[1]]);
  });

  test("tags that differ in case, blanks or normal form are one", async () => {
    const { data } = await key.client.post("/contacts", {
      email: freshEmail(),
      tags: ["VIP", "vip", "vip ", "Café", "Cafe\u0301"],
    });
    expect(data.tags).toEqual(["VIP", "Café"]);
    const other = await key.client.post("/contacts", { email: freshEmail(), tags: ["vIp"] });
    expect(other.data.tags).toEqual(["VIP"]);
    expect((await key.client.get("/contacts?tags=vip")).meta.total).toBe(2);
  });

  test("locales are BCP 47 in their own spelling", async () => {
    for (const [given, kept] of [
      ["en_US", "en-US"],
      ["EN-us", "en-US"],
      ["de-DE-u-co-phonebk", "de-DE-u-co-phonebk"],
    ])
      expect((await contact({ locale: given })).data?.locale).toBe(kept);
    for (const locale of ["de-419-DE", "en-US-US", "english!"]) expect((await contact({ locale })).status).toBe(400);
  });

  test("domains lose www. only where two labels are left, and stay as they were read", async () => {
    const made = await key.client.post("/companies", { name: "W", domain: "www.www.deep.example" });
    expect(made.data.domain).toBe("deep.example");
    expect((await key.client.patch(`/companies/${made.data.id}`, { domain: made.data.domain })).data.version).toBe(1);
    expect((await key.client.post("/companies?dry_run=true", { name: "W", domain: "www.de" })).data.domain).toBe(
      "www.de",
    );
  });
});

describe("phones keep what they had", () => {
  test("the number that is there, sent again, changes nothing", async () => {
    const made = await key.client.post("/contacts", {
      email: freshEmail(),
      phone: "0228 123456",
      address: { country: "DE" },
    });
    expect(made.data.phone_e164).toBe("+49228123456");
    const path = `/contacts/${made.data.id}`;
    expect((await key.client.patch(path, { phone: "0228 123456" })).data).toMatchObject({
      phone_e164: "+49228123456",
      version: 1,
    });
    expect((await key.client.patch(path, { phone: "0228 999999" })).data).toMatchObject({ phone_e164: "+49228999999" });
    const bulk = await key.client.patch("/contacts/bulk", { records: [{ id: made.data.id, phone: "0228 777777" }] });
    expect(bulk.data[0].data.phone_e164).toBe("+49228777777");
    const upsert = await key.client.post("/contacts?on_conflict=update", {
      email: made.data.email,
      phone: "0228 555555",
    });
    expect(upsert.data.phone_e164).toBe("+49228555555");
  });

  test("a number and its country changed at once are read together, whichever comes first", async () => {
    const countries = ["DE", "FR", "IT", "GB"] as const;
    const { data } = await key.client.post("/contacts", { email: freshEmail(), phone: "0228 100000" });
    const path = `/contacts/${data.id}`;
    for (let round = 0; round < 30; round++) {
      const phone = `0228 1${String(10_000 + round)}`;
      const country = countries[round % countries.length];
      await Promise.all([key.client.patch(path, { phone }), key.client.patch(path, { address: { country } })]);
      const { data: record } = await key.client.get(path);
      expect(record).toMatchObject({ phone, address: { country }, phone_e164: readE164(phone, country) });
    }
  });

  test("a country that goes with the number reads none, one that stays reads it", async () => {
    const address = { country: "DE" };
    const made = await key.client.post("/contacts", { email: freshEmail(), phone: "0228 123456", address });
    const path = `/contacts/${made.data.id}?dry_run=true`;
    for (const [given, e164] of [
      [{ address: null }, null],
      [{ address: { country: null } }, null],
      [{ address: { city: "Bonn" } }, "+49228999999"],
      [{}, "+49228999999"],
    ] as const)
      expect((await key.client.patch(path, { phone: "0228 999999", ...given })).data.phone_e164).toBe(e164);
  });

  test("a country that comes later reads the number, and more than 15 digits are no E.164", async () => {
    const made = await key.client.post("/contacts", { email: freshEmail(), phone: "0228 123456" });
    expect(made.data.phone_e164).toBeNull();
    const later = await key.client.patch(`/contacts/${made.data.id}`, { address: { country: "DE" } });
    expect(later.data.phone_e164).toBe("+49228123456");
    for (const phone of ["+49 30 123456/654321", "+234 8021234567890 1"])
      expect((await contact({ phone })).data).toMatchObject({ phone, phone_e164: null });
    for (const [phone, e164] of [
      ["+52 1 55 1234 5678", "+525512345678"],
      ["＋１ ４１５ ５５５ ２６７１", "+14155552671"],
      ["+1-800-FLOWERS", "+18003569377"],
    ])
      expect((await contact({ phone })).data.phone_e164).toBe(e164);
  });
});
