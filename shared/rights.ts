/** `revoke` is what a key may do to itself, where others write. */
export type Access = "read" | "write" | "revoke";

/** What a user is in a workspace, from the one who may do most. */
export const ROLES = ["owner", "admin", "member"] as const;
export type Role = (typeof ROLES)[number];

/** `own`: a key sees itself, and may end itself. `scope`: a key's scope says, as of records. */
type Right = "write" | "read" | "own" | "scope" | "none";

/**
 * Who may do what beside a workspace's records (platform.md §9). Records don't stand here: every user writes them, and a key
 * does what its scope says. The database has the same table: `crm.rights()` is generated from this one.
 */
export const RIGHTS = {
  webhooks: { owner: "write", admin: "write", member: "read", key: "scope" },
  api_keys: { owner: "write", admin: "write", member: "read", key: "own" },
  members: { owner: "write", admin: "write", member: "read", key: "none" },
  invitations: { owner: "write", admin: "write", member: "read", key: "none" },
  sandboxes: { owner: "write", admin: "write", member: "read", key: "none" },
  audit_log: { owner: "read", admin: "read", member: "none", key: "none" },
} as const satisfies Record<string, Record<Role | "key", Right>>;

/** Whether a user of this role, or a key, may `access` an area of the table; undefined where the table does not say. */
export function mayAccess(who: Role | "key", area: string, access: Access): boolean | undefined {
  if (!Object.hasOwn(RIGHTS, area)) return undefined;
  const right: Right = RIGHTS[area as keyof typeof RIGHTS][who];
  if (right === "scope") return undefined;
  return right === "own" ? access !== "write" : right === "write" || right === access;
}

/** The least role that may `access` an area. */
export function roleFor(area: string, access: Access): Role {
  return ROLES.findLast((role) => mayAccess(role, area, access) ?? true) ?? "owner";
}
