import { stampedFields } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { integer, plainMerge, text } from "./schemas.ts";

/** Tag names with the number of live records that carry each. Renaming one reaches all of them. */
export const tags: Resource = defineResource({
  singular: "tag",
  plural: "tags",
  fields: {
    ...stampedFields,
    name: { schema: text(100), required: true, unique: "duplicate_name", filter: "text", sort: true, searched: true },
    count: { schema: integer(0, Number.MAX_SAFE_INTEGER), readOnly: true },
  },
  actions: { merge: plainMerge },
});
