import type { Plan } from "../limits/plans.ts";
import { type Access, mayAccess, type Role } from "../rights.ts";
import type { AddressBlock } from "../standards/address_blocks.ts";

/**
 * What a route needs: `contacts:read`, any valid key or member (`any`), a signed-in user of whatever workspace or none
 * (`session`), or nothing at all (`public`).
 */
export type Scope = `${string}:${Access}` | "any" | "session" | "public";

interface Workspace {
  workspaceId: string;
  workspaceName: string;
  plan: Plan;
  environment: "live" | "sandbox";
}

/** A user's place in a workspace. */
export interface Place {
  id: string;
  name: string;
  environment: "live" | "sandbox";
  role: Role;
}

/** Who a request acts as, once its credential is known to be good. */
export type Principal = Workspace &
  (
    | {
        kind: "api_key";
        keyId: string;
        keyName: string;
        prefix: string;
        lastFour: string;
        scope: "full_access" | "read_only" | "custom";
        permissions: Record<string, "none" | "read" | "write">;
        expiresAt: string | null;
        /** Where it may be used; null for anywhere. */
        allowedIps: readonly AddressBlock[] | null;
      }
    | {
        kind: "user";
        userId: string;
        sessionId: string | undefined;
        memberId: string;
        role: Role;
        /** All workspaces that they are in, the oldest first. */
        places: readonly Place[];
      }
  );

/** Whether the principal may do what a scope names. Write includes read. */
export function isGranted(principal: Principal, scope: Scope): boolean {
  if (scope === "any" || scope === "public" || scope === "session") return true;
  const [resource, access] = scope.split(":") as [string, Access];
  const isAllowed = mayAccess(principal.kind === "user" ? principal.role : "key", resource, access);
  if (isAllowed !== undefined) return isAllowed;
  if (principal.kind === "user") return true;
  switch (principal.scope) {
    case "full_access":
      return true;
    case "read_only":
      return access === "read";
    case "custom": {
      const granted = principal.permissions[resource];
      return granted === "write" || granted === access;
    }
  }
}

/** What a key was given, as shown in `details.granted`. */
export function granted(principal: Principal & { kind: "api_key" }): string | Record<string, string> {
  return principal.scope === "custom" ? principal.permissions : principal.scope;
}

/** The bucket that the principal's requests are counted in. */
export function bucketId(principal: Principal): string {
  return principal.kind === "api_key" ? principal.keyId : `${principal.workspaceId}:${principal.userId}`;
}
