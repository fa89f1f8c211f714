import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { wordsOf } from "../../shared/query/words.ts";
import type { Client } from "../harness/client.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

let client: Client;
beforeAll(async () => {
  client = (await createWorkspace()).client;
});

const ALPHABETS: Record<string, string> = {
  Latin: "aeiouäéñøßłçABDEKLMNOPRST",
  Greek: "αβγδεζηθικλμνξοπρσςτυφχψωάέήίΣΑΘ",
  Cyrillic: "абвгдежзийклмнопрстуфхцчшщыэюяёЖШ",
  Arabic: "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
  Hebrew: "אבגדהוזחטיכלמנסעפצקרשת",
  Han: "王李张刘陈田中工業株式会社小明山北京百度",
  Kana: "アイウエオカキクケコひらがなガギ",
  Hangul: "김이박최민수지영서준",
  Thai: "กขคงจฉชซญฎฏฐฑฒณดต",
  Devanagari: "अआइकखगघचछजझटठडढणतथदधन",
};
const script = fc.constantFrom(...Object.values(ALPHABETS));
const word = script.chain((letters) =>
  fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength: 8 }).map((chosen) => chosen.join("")),
);
const separator = fc.constantFrom(
  ...[
    " ",
    " (",
    ") ",
    ", ",
    " & ",
    "-",
    "/",
    " – ",
    "’",
    " “",
    ".",
    " [",
    ";",
    " · ",
    " ★ ",
    "→",
    "😀",
    " €",
    " + ",
    "|",
  ],
  ...["׳", "״", "\u2800", "\u0002", "_", " # ", "%", " ‑ ", "ʼ"],
);
/** What a person's note or a signature has beside words. */
const extra = fc.constantFrom(
  ...[
    "",
    "",
    "",
    "+49 (0) 30 9876543",
    "+49 030 9876543",
    "Tel.: 030/98 765 43",
    "T: (0) 12345",
    "1 2 3 4 5th",
    "A1 2 3 4 5 6",
  ],
  ...[
    "https://www.acme.example:8080/a/b?c=d",
    "mailto:ada@x.example",
    "www.x.example",
    "Inc.",
    "2024-01-15",
    "٣ ٤ ٥ ٦ ٧",
  ],
);
const name = fc
  .tuple(fc.array(fc.tuple(word, separator), { minLength: 1, maxLength: 4 }), extra)
  .map(([parts, last]) => parts.map(([one, between]) => one + between).join("") + last)
  .filter((text) => wordsOf(text).length > 0);

/** A text as another keyboard, program or country writes it. */
const SPELLINGS: Record<string, (text: string) => string> = {
  "as it is": (text) => text,
  "in capitals": (text) => text.toUpperCase(),
  "in small letters": (text) => text.toLowerCase(),
  decomposed: (text) => text.normalize("NFD"),
  "with typewriter marks": (text) => text.replace(/[’ʼ׳]/g, "'").replace(/[“״]/g, '"').replace(/[–‑]/g, "-"),
  "with typographer's marks": (text) => text.replace(/['’ʼ]/g, "‘").replace(/"/g, "”").replace(/-/g, "\u2010"),
  "in full width": (text) => text.replace(/[!-~]/g, (one) => String.fromCharCode(one.charCodeAt(0) + 0xfee0)),
  "with marks nobody sees": (text) => `\u202a${[...text].join("\u200b")}\u202c`,
};

test("a record is found by its own name and by each of its words, however written, by search, GET /search and filters", async () => {
  const kinds = [
    { path: "/companies", type: "companies", field: "name", body: (text: string) => ({ name: text }) },
    { path: "/tasks", type: "tasks", field: "title", body: (text: string) => ({ title: text }) },
    {
      path: "/contacts",
      type: "contacts",
      field: "last_name",
      body: (text: string) => ({ email: freshEmail(), last_name: text }),
    },
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...kinds), name, async ({ path, type, field, body }, text) => {
      const made = await client.post(path, body(text));
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      const kept: string = made.data[field];
      const finds = async (asked: string) => {
        const { status, data: found, body } = await client.get(asked);
        expect(status, `${asked} ${JSON.stringify(body).slice(0, 300)}`).toBe(200);
        return found.map((one: { id: string }) => one.id);
      };
      const narrowed = `&sort=-created_at&fields=id&limit=100&created_at[gte]=${made.data.created_at}`;
      for (const [how, spell] of Object.entries(SPELLINGS)) {
        const whole = encodeURIComponent(spell(kept));
        expect(await finds(`${path}?search=${whole}${narrowed}`), `${kept} ${how}`).toContain(made.data.id);
        const filter = `${field}[contains]=${whole}`;
        expect(await finds(`${path}?${filter}${narrowed}`), `${kept} ${filter} ${how}`).toContain(made.data.id);
      }
      for (const one of wordsOf(kept))
        expect(await finds(`${path}?search=${encodeURIComponent(one)}${narrowed}`), one).toContain(made.data.id);
      const whole = encodeURIComponent(kept);
      expect(await finds(`/search?types=${type}&q=${whole}&limit=100`), kept).toContain(made.data.id);
      for (const filter of [`${field}[eq]=${whole}`, `${field}[starts_with]=${whole}`])
        expect(await finds(`${path}?${filter}${narrowed}`), filter).toContain(made.data.id);
    }),
    { numRuns: 25 },
  );
});

describe("what a person types finds the record", () => {
  test.each([
    ["Acme (UK) Works", ["Acme (UK) Works", "uk", "acme uk", "Acme, UK"]],
    ["Renewal [Q4]; North", ["Renewal (Q4) North", "q4"]],
    [
      "O’Brien – Söhne",
      ["O'Brien", "OBrien", "O´Brien", "o brien sohne".replace("o ", "o'"), "O’Brien - Sohne", "O`Brien"],
    ],
    ["ΠΑΠΑΔΟΠΟΥΛΟΣ", ["Παπαδόπουλος", "παπαδοπουλος", "ΠΑΠΑΔΟΠΟΥΛΟΣ"]],
    ["Ἀθηνᾷ", ["ἈΘΗΝΑ͂Ι", "αθηναι"]],
    ["株式会社田中工業", ["田中", "田中工業", "会社", "株式会社"]],
    ["北京百度网讯科技有限公司", ["百度", "有限公司"]],
    ["שָׁלוֹם", ["שלום"]],
    ["Acme Inc", ["Acme Inc.", "Acme, Inc.", "\u200bAcme", "Ａｃｍｅ"]],
    ["Zoë «Straße» Łódź", ["zoe strasse lodz", "ZOË", '"Strasse"']],
    ["Acme★Works→Nord", ["acme works nord", "nord", "Acme ★ Works", "★ works"]],
    ["500€Club😀Nord", ["club", "500 club", "€ club", "no"]],
    ["★★★", ["★★★", "★"]],
    ["!!!", ["!!!"]],
    ["צה״ל גרופ ג׳ירף", ['צה"ל', "ג'ירף", "צה״ל"]],
    ["Call +49 (0) 711 7654321 now", ["Call +49 (0) 711 7654321 now", "+49 711 7654321", "0711 7654321"]],
    [
      "one two three four five six seven eight nine ten eleven zwölf",
      ["one two three four five six seven eight nine ten eleven zwölf"],
    ],
  ])("%s", async (kept, typed) => {
    const { data } = await client.post("/companies", { name: kept });
    for (const query of typed) {
      const path = `/companies?search=${encodeURIComponent(query)}&sort=-created_at&limit=100`;
      const found = await client.get(path);
      expect(
        found.data.map((one: { id: string }) => one.id),
        query,
      ).toContain(data.id);
    }
  });

  test("a person by names in the other order, written together where a script has no blanks, and by any way to write a number", async () => {
    const made = await client.post("/contacts", {
      email: freshEmail(),
      first_name: "小明",
      last_name: "王",
      phone: "+49 711 1234567",
    });
    const numbers = [
      ...["+49 (0) 711 1234567", "0049 711 1234567", "0711 1234567", "+49–711–1234567", "tel:+497111234567"],
      ...["+49 0711 1234567", "011 49 711 1234567", "Tel.: 0711 1234567", "Tel.: 711 1234567", "T: +49 711 1234567"],
      ...[
        "Mobile +49 711 1234567",
        "Telephone number: (0711) 123 45 67",
        "ph 0711 1234567",
        "Tel.Nr. 0711/1234567",
        "M 0711 1234567",
        "小明 +49 711 1234567",
      ],
    ];
    for (const query of [
      "王小明",
      "小明",
      ...numbers,
      "\u202a+49 711 1234567\u202c",
      "+49 (0711) 1234567",
      "７１１ 1234567",
    ]) {
      const { data } = await client.get(`/contacts?search=${encodeURIComponent(query)}`);
      expect(
        data.map((one: { id: string }) => one.id),
        query,
      ).toEqual([made.data.id]);
    }
  });

  test("a domain with what stands around it, in its own letters and in those of DNS", async () => {
    const { data } = await client.post("/companies", { name: "Idn", domain: "münchen-stadt.example" });
    expect(data.domain).toBe("xn--mnchen-stadt-dlb.example");
    const asked = [
      ...["www.münchen-stadt.example", "https://münchen-stadt.example/", data.domain],
      ...[
        "https://www.münchen-stadt.example:8443/about?from=mail#team",
        "münchen-stadt.example/about",
        "ftp://münchen-stadt.example/a",
        "münchen-stadt.example?from=mail",
        `${data.domain}:443`,
      ],
    ];
    for (const query of asked)
      expect((await client.get(`/companies?search=${encodeURIComponent(query)}`)).meta.total, query).toBe(1);
    for (const [start, total] of [
      ["münchen", 1],
      ["www.münchen", 1],
      ["https://www.münchen-stadt.example/about", 1],
      ["xn--mnchen", 1],
      ["/about", 0],
    ] as const) {
      const { meta } = await client.get(`/companies?name=Idn&domain[starts_with]=${encodeURIComponent(start)}`);
      expect(meta.total, start).toBe(total);
    }
    const all = (await client.get("/companies?domain[is_null]=false")).meta.total;
    expect((await client.get("/companies?domain[starts_with]=www.")).meta.total).toBe(all);
    expect((await client.get("/companies?domain[contains]=www.")).meta.total).toBe(0);
  });
});

test("of more than ten words the numbers and the longest count, in any order", async () => {
  const { client } = await createWorkspace();
  const { data } = await client.post("/contacts", {
    email: freshEmail(),
    last_name: "Langenscheidt",
    phone: "0711 555123",
  });
  const short = "a b c d e f g h i j";
  await client.post("/contacts", {
    email: freshEmail(),
    first_name: short,
    last_name: "Langenscheidt",
    phone: "0711 555124",
  });
  const found = await client.get(`/contacts?search=${encodeURIComponent(`Langenscheidt ${short} 0711 555123`)}`);
  expect(found.data).toEqual([]);
  const own = await client.get(`/contacts?search=${encodeURIComponent(`${short} Langenscheidt 0711 555124`)}`);
  expect(own.data.map((one: { id: string }) => one.id)).not.toContain(data.id);
  expect(own.meta.total).toBe(1);
});

test("a title of one or two characters is found first by GET /search, also behind 2,000 that begin with it", async () => {
  const { client, workspaceId } = await createWorkspace();
  const { data } = await client.post("/companies", { name: "HP" });
  await database()`
    insert into crm.companies (workspace_id, name) select ${workspaceId}, 'HPX ' || n from generate_series(1, 2100) as n`;
  const found = await client.get("/search?q=hp&types=companies&limit=1");
  expect(found.data[0]).toMatchObject({ id: data.id, score: 6 });
});

test("what has no word is looked for as it is, and is no error", async () => {
  const { client } = await createWorkspace();
  await client.post("/companies", { name: "Acme, Inc." });
  for (const path of [
    "/companies?search=%2C%3B",
    "/companies?search=%E2%98%85",
    "/search?q=%2C%3B",
    "/companies?search=.",
  ])
    expect(await client.get(path), path).toMatchObject({ status: 200, data: [] });
  const unseen = await client.get("/companies?search=%CC%81");
  expect(unseen.error.message).toBe("The search parameter must have a letter, a digit or a symbol.");
});

test("of an activity's body the first 1,000 characters are searched", async () => {
  const { client } = await createWorkspace();
  const contact = (await client.post("/contacts", { email: freshEmail() })).data.id;
  const body = `${"x ".repeat(490)}within ${"y ".repeat(20)}beyond`;
  await client.post("/activities", { type: "note", contact_id: contact, subject: "Call", body });
  expect((await client.get("/activities?search=call+within")).meta.total).toBe(1);
  expect((await client.get("/activities?search=call+beyond")).meta.total).toBe(0);
});

test("a control character in a value is none of the filter's", async () => {
  const { client } = await createWorkspace();
  const { data } = await client.post("/contacts", { email: freshEmail(), first_name: "a\u0002last_name=Evil" });
  expect((await client.get("/contacts?last_name[starts_with]=evil")).meta.total).toBe(0);
  const whole = encodeURIComponent(data.first_name);
  for (const op of ["eq", "contains", "starts_with"])
    expect((await client.get(`/contacts?first_name[${op}]=${whole}`)).meta.total, op).toBe(1);
});

test("names are sorted as an alphabet is, and no page loses or repeats one", async () => {
  const key = await createWorkspace();
  const names = ["adams", "Zebra", "Ähtäri", "Éclair", "eclair", "de la Cruz", "o'neil", "Adams", "zebra", "Æsir"];
  await key.client.post("/contacts/bulk", {
    records: names.map((last_name) => ({ email: freshEmail(), last_name })),
  });
  const sorted = (await key.client.all("/contacts?sort=last_name&limit=3")).map((one) => one["last_name"]);
  expect([...sorted].sort()).toEqual([...names].sort());
  expect(sorted.indexOf("adams")).toBeLessThan(sorted.indexOf("Ähtäri"));
  expect(sorted.indexOf("Éclair")).toBeLessThan(sorted.indexOf("Zebra"));
  expect(sorted.at(-1)?.toString().toLowerCase()).toBe("zebra");
});

test.each([40, 49, 50, 62, 63])(
  "two custom fields whose keys have %i characters and differ in the last are sorted by, page by page",
  async (length) => {
    const key = await createWorkspace();
    const [first = "", second = ""] = ["a", "b"].map((last) => "k".repeat(length - 1) + last);
    for (const one of [first, second]) {
      const field = { resource: "contacts", key: one, label: "Field", type: "number" };
      expect((await key.client.post("/custom_fields", field)).status).toBe(201);
    }
    // Ties in both, and some have no value in one, the other, or both.
    const records = Array.from({ length: 30 }, (_, n) => ({
      email: freshEmail(),
      custom_fields: { ...(n % 4 && { [first]: n % 7 }), ...(n % 3 && { [second]: n % 5 }) },
    }));
    const made = await key.client.post("/contacts/bulk", { records });
    expect(made.status).toBe(201);
    const all = made.data.map(({ data }: { data: { id: string } }) => data);
    for (const [down, other] of [
      [false, true],
      [true, false],
      [true, true],
      [false, false],
    ]) {
      const keys = [
        { name: first, isDown: down },
        { name: second, isDown: other },
      ];
      const sorted = all.toSorted((a: Valued, b: Valued) => {
        for (const { name, isDown } of keys) {
          const [one, two] = [a.custom_fields[name], b.custom_fields[name]];
          if (one === two) continue;
          if (one === undefined || two === undefined) return one === undefined ? 1 : -1;
          return (one - two) * (isDown ? -1 : 1);
        }
        return (a.id < b.id ? -1 : 1) * (other ? -1 : 1);
      });
      const sort = keys.map(({ name, isDown }) => `${isDown ? "-" : ""}custom_fields.${name}`).join(",");
      const walked = await key.client.all(`/contacts?sort=${sort}&limit=4`);
      expect({ sort, ids: walked.map(({ id }) => id) }).toEqual({ sort, ids: sorted.map(({ id }: Valued) => id) });
    }
  },
);

interface Valued {
  id: string;
  custom_fields: Record<string, number | undefined>;
}
