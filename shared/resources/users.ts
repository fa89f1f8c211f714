import { defineResource, type Resource } from "./define.ts";
import { email, oneOf, text, timestamp, uuid } from "./schemas.ts";

/** The members of the workspace; who they are is managed in the dashboard, never over the API. */
export const users: Resource = defineResource({
  singular: "user",
  plural: "users",
  table: "members",
  operations: ["list", "search", "export", "get"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    name: { schema: text(200), readOnly: true, filter: "text", sort: true, searched: true },
    email: { schema: email(), readOnly: true, filter: "text", sort: true, searched: true, spaceless: true },
    role: { schema: oneOf(["owner", "admin", "member"]), readOnly: true, filter: "enum" },
    created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
  },
});
