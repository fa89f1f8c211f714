import type { Principal } from "../auth/principal.ts";
import type { Database } from "../db/database.ts";
import type { Background } from "../jobs/worker.ts";
import { RIGHTS } from "../rights.ts";
import { contextOf, type Exchange } from "./exchange.ts";
import type { Log } from "./log.ts";

/** How long what was noted is new enough: `last_used_at` is at most a minute old (platform.md §10). */
const NOTED_FOR_MS = 30_000;
const MAX_ENTRIES = 10_000;

/** Tells the database who was there, and with which scopes: after the answer, and seldom. */
export interface Uses {
  note(exchange: Exchange): void;
}

export function createUses(database: Database, log: Log, background: Background): Uses {
  const noted = new Map<string, { at: number; scopes: Set<string> }>();
  return {
    note(exchange) {
      const { principal, used: scopes } = exchange;
      const id = principal && identity(principal);
      if (principal === undefined || id === undefined) return;
      const known = noted.get(id);
      const isNew = known === undefined || Date.now() - known.at >= NOTED_FOR_MS;
      if (!isNew && [...scopes].every((scope) => known.scopes.has(scope))) return;
      noted.delete(id);
      if (noted.size >= MAX_ENTRIES) noted.delete(noted.keys().next().value ?? "");
      noted.set(id, { at: Date.now(), scopes: new Set(isNew ? scopes : [...known.scopes, ...scopes]) });
      const context = contextOf(exchange); // Seldom needed, and headers are dear to read.
      const who =
        principal.kind === "api_key"
          ? { key_id: principal.keyId, scopes: [...scopes].filter(isPermission) }
          : { user_id: principal.userId, session_id: principal.sessionId };
      const use = { workspace_id: principal.workspaceId, context, ...who };
      background(
        database.call("note_use", use, { role: "crm_auth" }).then(
          () => {},
          () => {
            noted.delete(id);
            log("warn", "use_not_noted", { request_id: context.request_id });
          },
        ),
      );
    },
  };
}

// Roles decide of the rest: no key is given it.
function isPermission(scope: string): boolean {
  const [area = ""] = scope.split(":");
  return scope.includes(":") && !Object.hasOwn(RIGHTS, area);
}

/** Whom a use is noted for: a key, or a session in a workspace; undefined for a session without an id. */
function identity(principal: Principal): string | undefined {
  if (principal.kind === "api_key") return principal.keyId;
  return principal.sessionId && `${principal.workspaceId} ${principal.sessionId}`;
}
