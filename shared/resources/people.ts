import { ROLES } from "../rights.ts";
import { actor } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { email, oneOf, text, timestamp, uuid } from "./schemas.ts";

const id = { schema: uuid(), readOnly: true, filter: "reference", sort: true } as const;
const role = { schema: oneOf(ROLES), required: true, filter: "enum" } as const;

/** The people of a workspace as those see them who manage them (platform.md §11); to the rest of the API they are users. */
export const members: Resource = defineResource({
  singular: "member",
  plural: "members",
  operations: ["list", "get"],
  fields: {
    id,
    user_id: { schema: uuid(), readOnly: true, filter: "reference" },
    email: { schema: email(), readOnly: true, filter: "text", sort: true, searched: true, spaceless: true },
    name: { schema: text(200), readOnly: true, filter: "text", sort: true, searched: true },
    role,
    joined_at: {
      schema: timestamp(),
      readOnly: true,
      filter: "timestamp",
      sort: true,
      column: { shown: "created_at" },
    },
  },
  defaultSort: "-joined_at",
});

/** What people become members by. */
export const invitations: Resource = defineResource({
  singular: "invitation",
  plural: "invitations",
  table: "invitations_now",
  operations: ["list", "get"],
  fields: {
    id,
    email: { schema: email(), required: true, sort: true },
    role,
    state: { schema: oneOf(["pending", "accepted", "revoked", "expired"]), readOnly: true, filter: "enum" },
    created_by: { schema: actor, readOnly: true },
    created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    expires_at: { schema: timestamp(), readOnly: true },
    accepted_at: { schema: timestamp().nullable(), readOnly: true },
  },
});
