import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sortableFields } from "../../shared/query/sort.ts";
import { resources } from "../../shared/resources/all.ts";
import { isNullable } from "../../shared/resources/define.ts";
import { Records } from "../harness/records.ts";
import { database } from "../harness/stack.ts";
import { useVersion, versionCases } from "../harness/versions.ts";
import { createWorkspace } from "../harness/workspace.ts";

const RUNS_PER_RESOURCE = 3;

const sortOf = (names: string[]) =>
  fc
    .uniqueArray(fc.record({ field: fc.constantFrom(...names), descending: fc.boolean() }), {
      selector: (key) => key.field,
      minLength: 1,
      maxLength: 3,
    })
    .map((keys) => keys.map(({ field, descending }) => (descending ? "-" : "") + field).join(","));

const idsOf = (records: { id: string }[]) => records.map(({ id }) => id);

describe.each(versionCases)("$name", ({ version, resources }) => {
  useVersion(version);

  describe("a walk gives each row that existed throughout exactly once and in order, while rows come and go", () => {
    test.each(resources.map((resource) => [resource.plural, resource] as const))("%s", async (_plural, resource) => {
      const walk = fc.record({
        sort: sortOf(sortableFields(resource)),
        count: fc.integer({ min: 1, max: 25 }),
        seed: fc.nat(),
        limit: fc.integer({ min: 1, max: 7 }),
      });
      await fc.assert(
        fc.asyncProperty(walk, async ({ sort, count, seed, limit }) => {
          const records = new Records(await createWorkspace());
          const path = await records.path(resource);
          const rows = await records.rows(resource, count, { seed });
          await records.insert(resource, rows);
          const [doomed = ""] = await records.insert(resource, rows.slice(0, 1));
          // The order at rest, in one page, is what the walk in small pages must follow.
          const atRest = await records.client.get(`${path}?sort=${sort}&limit=100`);
          expect(atRest.status, JSON.stringify(atRest.body)).toBe(200);
          expect(atRest.meta.total).toBe(atRest.data.length);
          expect(atRest.data.length).toBeGreaterThan(count);

          const seen: string[] = [];
          let cursor: string | null = null;
          for (let pages = 0; ; pages++) {
            const after = cursor === null ? "" : `&cursor=${cursor}`;
            const page = await records.client.get(`${path}?sort=${sort}&limit=${limit}${after}`);
            expect(page.meta.has_more).toBe(page.meta.next_cursor !== null);
            if (page.meta.has_more) expect(page.data).toHaveLength(limit);
            seen.push(...idsOf(page.data));
            cursor = page.meta.next_cursor;
            if (cursor === null) break;
            if (pages === 0) await database()`delete from ${database()(`crm.${resource.table}`)} where id = ${doomed}`;
            if (pages < 5) await records.insert(resource, rows.slice(pages % count, (pages % count) + 1));
          }
          const stable = new Set(idsOf(atRest.data));
          stable.delete(doomed);
          expect(seen.filter((id) => stable.has(id))).toEqual(idsOf(atRest.data).filter((id) => stable.has(id)));
          expect(new Set(seen).size).toBe(seen.length);
        }),
        { numRuns: RUNS_PER_RESOURCE },
      );
    });
  });
});

describe("nulls come last in both directions, and id breaks ties", () => {
  const nullable = resources.flatMap((resource) =>
    Object.entries(resource.fields).flatMap(([name, field]) =>
      field.sort && isNullable(field) ? [[resource.plural, name, resource] as const] : [],
    ),
  );
  test.each(nullable)("%s by %s", async (_plural, name, resource) => {
    const records = new Records(await createWorkspace());
    await records.insert(resource, await records.rows(resource, 12));
    const path = await records.path(resource);
    for (const direction of ["", "-"]) {
      const { data } = await records.client.get(`${path}?sort=${direction}${name}&fields=${name}&limit=100`);
      const values = data.map((record: Record<string, unknown>) => record[name]);
      const filled = values.filter((value: unknown) => value !== null);
      expect(values.slice(0, filled.length), `${direction}${name}`).toEqual(filled);
      const tied = data.filter((record: Record<string, unknown>) => record[name] === null);
      const ids = idsOf(tied).sort();
      expect(idsOf(tied)).toEqual(direction === "-" ? ids.toReversed() : ids);
    }
  });
});
