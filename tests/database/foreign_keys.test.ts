import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";

// What a delete, a merge or a purge looks for by a reference is found by an index that has all rows, deleted ones too.

test("each foreign key has an index without a condition that begins with its columns, or with that beside workspace_id", async () => {
  const bare = await database()`
    select reference.conname from pg_constraint as reference
    where reference.contype = 'f' and reference.connamespace = 'crm'::regnamespace and not exists (
      select from pg_index as index
      where index.indrelid = reference.conrelid and index.indpred is null
        and ((index.indkey::int2[])[0:cardinality(reference.conkey) - 1] @> reference.conkey
          or index.indkey[0] = reference.conkey[cardinality(reference.conkey)])
    )
    order by 1`;
  expect(bare.map(({ conname }) => conname)).toEqual([]);
});

test("tags of deleted records are found by an index too", async () => {
  const bare = await database()`
    select attrelid::regclass::text as name from pg_attribute as tags
    where attname = 'tags' and not attisdropped and attrelid in (
      select tgrelid from pg_trigger where tgname = 'count_tags_updated'
    ) and not exists (
      select from pg_index as index
      where index.indrelid = tags.attrelid and index.indpred is null and tags.attnum = any (index.indkey::int2[])
    )`;
  expect(bare.map(({ name }) => name)).toEqual([]);
});
