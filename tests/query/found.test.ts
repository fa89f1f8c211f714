import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { wordsOf } from "../../shared/query/words.ts";
import type { Client } from "../harness/client.ts";
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
const separator = fc.constantFrom(" ", " (", ") ", ", ", " & ", "-", "/", " – ", "’", " “", ".", " [", ";", " · ");
const name = fc
  .array(fc.tuple(word, separator), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.map(([one, between]) => one + between).join(""))
  .filter((text) => wordsOf(text).length > 0);

test("a company is found by its own name and by each of its words, in any case, by search, GET /search and filters", async () => {
  await fc.assert(
    fc.asyncProperty(name, async (text) => {
      const { data } = await client.post("/companies", { name: text });
      const kept: string = data.name;
      const finds = async (path: string) => {
        const { status, data: found, body } = await client.get(path);
        expect(status, `${path} ${JSON.stringify(body).slice(0, 300)}`).toBe(200);
        return found.map((one: { id: string }) => one.id);
      };
      const typed = [kept, kept.toUpperCase(), kept.toLowerCase(), kept.normalize("NFD"), ...wordsOf(kept)];
      for (const query of typed) {
        const asked = encodeURIComponent(query);
        const narrowed = `&sort=-created_at&fields=id&limit=100&created_at[gte]=${data.created_at}`;
        expect(await finds(`/companies?search=${asked}${narrowed}`), query).toContain(data.id);
      }
      expect(await finds(`/search?types=companies&q=${encodeURIComponent(kept)}&limit=100`), kept).toContain(data.id);
      const whole = encodeURIComponent(kept);
      for (const filter of [`name[eq]=${whole}`, `name[contains]=${whole}`, `name[starts_with]=${whole}`])
        expect(await finds(`/companies?${filter}&sort=-created_at&limit=100`), filter).toContain(data.id);
    }),
    { numRuns: 25 },
  );
});

describe("what a person types finds the record", () => {
  test.each([
    ["Acme (UK) Works", ["Acme (UK) Works", "uk", "acme uk", "Acme, UK"]],
    ["Renewal [Q4]; North", ["Renewal (Q4) North", "q4"]],
    ["O’Brien – Söhne", ["O'Brien", "OBrien", "o brien sohne".replace("o ", "o'"), "O’Brien - Sohne", "O`Brien"]],
    ["ΠΑΠΑΔΟΠΟΥΛΟΣ", ["Παπαδόπουλος", "παπαδοπουλος", "ΠΑΠΑΔΟΠΟΥΛΟΣ"]],
    ["Ἀθηνᾷ", ["ἈΘΗΝΑ͂Ι", "αθηναι"]],
    ["株式会社田中工業", ["田中", "田中工業", "会社", "株式会社"]],
    ["北京百度网讯科技有限公司", ["百度", "有限公司"]],
    ["שָׁלוֹם", ["שלום"]],
    ["Acme Inc", ["Acme Inc.", "Acme, Inc.", "\u200bAcme", "Ａｃｍｅ"]],
    ["Zoë «Straße» Łódź", ["zoe strasse lodz", "ZOË", '"Strasse"']],
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
    const numbers = ["+49 (0) 711 1234567", "0049 711 1234567", "0711 1234567", "+49–711–1234567", "tel:+497111234567"];
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
    const asked = ["www.münchen-stadt.example", "https://münchen-stadt.example/", "muenchen".slice(0, 0) + data.domain];
    for (const query of asked)
      expect((await client.get(`/companies?search=${encodeURIComponent(query)}`)).meta.total, query).toBe(1);
    expect((await client.get(`/companies?domain[starts_with]=${encodeURIComponent("münchen")}`)).meta.total).toBe(1);
  });
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

test("a custom field's key of any length is sorted by, page by page", async () => {
  const key = await createWorkspace();
  const keys = ["a".repeat(63), `${"a".repeat(62)}b`];
  for (const one of keys)
    await key.client.post("/custom_fields", {
      resource: "contacts",
      key: one,
      label: one.slice(0, 50),
      type: "number",
    });
  const records = Array.from({ length: 30 }, (_, n) => ({
    email: freshEmail(),
    custom_fields: { [keys[0] ?? ""]: n % 7, [keys[1] ?? ""]: n },
  }));
  expect((await key.client.post("/contacts/bulk", { records })).status).toBe(201);
  const sort = keys.map((one) => `custom_fields.${one}`).join(",");
  const walked = await key.client.all(`/contacts?sort=${sort}&limit=4`);
  expect(new Set(walked.map(({ id }) => id)).size).toBe(30);
  expect(walked).toHaveLength(30);
});
