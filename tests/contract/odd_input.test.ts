import { expect, test } from "vitest";
import { resources } from "../../shared/resources/all.ts";
import { Records } from "../harness/records.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

const ABSENT = "00000000-0000-4000-8000-000000000000";
const INHERITED = ["__proto__", "constructor", "toString", "hasOwnProperty"];

for (const resource of resources.filter((one) => one.movable)) {
  test.each(["", "&dry_run=true"])(
    `an absent one of ${resource.plural} has nothing to move: 404, whatever it should go to%s`,
    async (query) => {
      const [records, other] = [new Records(await createWorkspace()), new Records(await createWorkspace())];
      const own = await records.make(resource);
      const theirs = await other.make(resource);
      const path = await records.path(resource);
      for (const target of [own["id"], theirs["id"], ABSENT]) {
        for (const absent of [ABSENT, theirs["id"]]) {
          const { status, error } = await records.client.delete(`${path}/${absent}?move_to=${target}${query}`);
          expect([status, error.code]).toEqual([404, "not_found"]);
        }
      }
      expect((await records.client.get(`${path}/${own["id"]}`)).status).toBe(200);
    },
  );
}

test.each(INHERITED)("%s is no field: not in a filter, a sort, a choice of fields or a body", async (name) => {
  const { client } = await createWorkspace();
  await client.post("/custom_fields", { resource: "contacts", key: "size", label: "Size", type: "number" });
  const refusals: Record<string, string> = {
    [`?custom_fields.${name}=1`]: "unknown_parameter",
    [`?custom_fields.${name}[gt]=1`]: "unknown_parameter",
    [`?${name}=1`]: "unknown_parameter",
    [`?company.${name}=1`]: "unknown_parameter",
    [`?custom_fields.size[${name}]=1`]: "invalid_filter",
    [`?sort=custom_fields.${name}`]: "invalid_sort",
    [`?sort=-${name}`]: "invalid_sort",
    [`?fields=custom_fields.${name}`]: "validation_error",
    [`?fields=${name}`]: "validation_error",
    [`?include=${name}`]: "validation_error",
  };
  for (const [query, code] of Object.entries(refusals)) {
    const { status, error } = await client.get(`/contacts${query}`);
    expect([query, status, error.code]).toEqual([query, 400, code]);
  }
  for (const filter of [
    { field: `custom_fields.${name}`, op: "eq", value: 1 },
    { field: name, op: "eq", value: 1 },
  ]) {
    const { status, error } = await client.post("/contacts/search", { filter });
    expect([status, error.code]).toEqual([400, "invalid_filter"]);
  }
  // As text: an object literal would set the prototype instead.
  for (const member of [`"custom_fields":{"${name}":1}`, `"address":{"${name}":"x"}`, `"${name}":{"a":1}`]) {
    const body = `{"email":"${freshEmail()}",${member}}`;
    const answers = [
      await client.post("/contacts", body),
      (await client.post("/contacts/bulk", `{"records":[${body}]}`)).data?.[0],
    ];
    expect(answers.map(({ error }) => [body, error.code])).toEqual(answers.map(() => [body, "unknown_field"]));
  }
  expect((await client.get("/contacts")).data).toEqual([]);
});
