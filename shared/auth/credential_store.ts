import type { Config } from "../config.ts";
import type { Database } from "../db/database.ts";
import { ApiError, type ErrorCode } from "../errors.ts";
import { readBlock } from "../standards/address_blocks.ts";
import type { Credential } from "./authorization.ts";
import { hashApiKey } from "./key_format.ts";
import type { Principal } from "./principal.ts";
import { createSessionVerifier, type Session, type SessionVerifier } from "./sessions.ts";

/** A revoked key stops everywhere within this time; row-level security refuses its data at once. */
const MAX_AGE_MS = 10_000;
/** From here on a used entry is refreshed in the background, so that busy keys never wait. */
const REFRESH_AGE_MS = 5_000;
const MAX_ENTRIES = 10_000;
/** How long a key that was good may be looked up again without being charged to its address. */
const GOOD_FOR_MS = 24 * 60 * 60_000;

/** Who a credential is, until when (epoch milliseconds), or why it is nobody's. */
type Lookup = { principal: Principal; endsAt: number } | { refused: ErrorCode; message?: string };

interface Entry {
  lookup: Promise<Lookup>;
  fetchedAt: number;
  refreshing: boolean;
}

/** Turns credentials into principals, with one database call per key, isolate and few seconds. */
export interface CredentialStore {
  /** Whether `authenticate` can answer from memory, or the credential was good not long ago. */
  isKnown(credential: Credential, workspaceId: string | null): boolean;
  /** @throws ApiError `invalid_…` or `expired_` `api_key` or `session`, `workspace_not_found`, `service_unavailable` */
  authenticate(credential: Credential, workspaceId: string | null): Promise<Principal>;
  /** Whose session a token is, wherever they are a member. @throws ApiError `invalid_session`, `expired_session`, `service_unavailable` */
  readSession(token: string): Promise<Session>;
  /** Drops what is known of a credential, after the database refused its data. */
  forget(credential: Credential, workspaceId: string | null): void;
}

export function createCredentialStore(config: Config, database: Database): CredentialStore {
  const verify = createSessionVerifier(config);
  const entries = new Map<string, Entry>();
  // Looked up again like any other, but on nobody's account: an address that guesses keys must not lock out a good one.
  const lastGoodAt = new Map<string, number>();

  function noteGood(id: string): void {
    lastGoodAt.delete(id);
    if (lastGoodAt.size >= MAX_ENTRIES) lastGoodAt.delete(lastGoodAt.keys().next().value ?? "");
    lastGoodAt.set(id, Date.now());
  }

  function fetchEntry(id: string, find: () => Promise<Lookup>): Entry {
    const entry: Entry = { lookup: find(), fetchedAt: Date.now(), refreshing: false };
    // A failed lookup is no answer and must not be kept.
    entry.lookup.catch(() => entries.get(id) === entry && entries.delete(id));
    if (entries.size >= MAX_ENTRIES) entries.delete(entries.keys().next().value ?? "");
    entries.delete(id);
    entries.set(id, entry);
    return entry;
  }

  function cached(id: string, find: () => Promise<Lookup>): Promise<Lookup> {
    const entry = entries.get(id);
    const age = entry === undefined ? Number.POSITIVE_INFINITY : Date.now() - entry.fetchedAt;
    if (entry === undefined || age >= MAX_AGE_MS) return fetchEntry(id, find).lookup;
    if (age >= REFRESH_AGE_MS && !entry.refreshing) {
      entry.refreshing = true;
      const startedAt = Date.now();
      find().then(
        (lookup) =>
          entries.get(id) === entry &&
          entries.set(id, { lookup: Promise.resolve(lookup), fetchedAt: startedAt, refreshing: false }),
        () => {
          entry.refreshing = false;
        },
      );
    }
    return entry.lookup;
  }

  return {
    isKnown: (credential, workspaceId) => {
      const id = identity(credential, workspaceId);
      const entry = entries.get(id);
      if (entry !== undefined && Date.now() - entry.fetchedAt < MAX_AGE_MS) return true;
      return Date.now() - (lastGoodAt.get(id) ?? 0) < GOOD_FOR_MS;
    },
    async readSession(token) {
      const session = await verify(token);
      if (typeof session === "string") throw new ApiError(session);
      return session;
    },
    forget: (credential, workspaceId) => void entries.delete(identity(credential, workspaceId)),
    async authenticate(credential, workspaceId) {
      const id = identity(credential, workspaceId);
      const lookup = await cached(id, () =>
        credential.kind === "api_key"
          ? findApiKey(database, hashApiKey(credential.key))
          : findMember(verify, database, credential.token, workspaceId),
      );
      if ("refused" in lookup) {
        lastGoodAt.delete(id);
        // They may be in one from the next moment on: it takes no longer than to accept an invitation.
        if (lookup.refused === "workspace_not_found") entries.delete(id);
        throw new ApiError(lookup.refused, lookup);
      }
      noteGood(id);
      if (lookup.endsAt <= Date.now())
        throw new ApiError(credential.kind === "api_key" ? "expired_api_key" : "expired_session");
      return lookup.principal;
    },
  };
}

/** What an answer is kept under: a key has one workspace, a user's place depends on the one asked for. */
function identity(credential: Credential, workspaceId: string | null): string {
  return credential.kind === "api_key"
    ? hashApiKey(credential.key)
    : `${hashApiKey(credential.token)} ${workspaceId ?? ""}`;
}

async function findApiKey(database: Database, hashHex: string): Promise<Lookup> {
  const row = await database.call("find_api_key", { key_hash: hashHex }, { role: "crm_auth" });
  if (row === null || row.revoked) return { refused: "invalid_api_key" };
  return {
    endsAt: row.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(row.expires_at),
    principal: {
      kind: "api_key",
      keyId: row.key_id,
      keyName: row.key_name,
      prefix: row.prefix,
      lastFour: row.last_four,
      scope: row.scope,
      permissions: row.permissions,
      expiresAt: row.expires_at,
      allowedIps:
        row.allowed_ips.length === 0 ? null : row.allowed_ips.map(readBlock).filter((block) => block !== undefined),
      workspaceId: row.workspace_id,
      workspaceName: row.workspace_name,
      environment: row.environment,
      plan: row.plan,
    },
  };
}

/** A signed-in user acts in the workspace of the `X-Workspace-Id` header, else in their oldest live one. */
async function findMember(
  verify: SessionVerifier,
  database: Database,
  token: string,
  workspaceId: string | null,
): Promise<Lookup> {
  const session = await verify(token);
  if (typeof session === "string") return { refused: session };
  const { userId, sessionId, endsAt } = session;
  const places = await database.call("find_memberships", { user_id: userId }, { role: "crm_auth" });
  if (places === null) return { refused: "invalid_session" };
  const place = places.find(({ workspace_id, environment }) =>
    workspaceId === null ? environment === "live" : workspace_id === workspaceId.toLowerCase(),
  );
  if (place === undefined) {
    const message = "You are in no workspace yet. Accept an invitation, or ask for one.";
    return { refused: "workspace_not_found", ...(places.length === 0 && { message }) };
  }
  return {
    endsAt,
    principal: {
      kind: "user",
      userId,
      sessionId,
      places: places.map((one) => ({
        id: one.workspace_id,
        name: one.workspace_name,
        environment: one.environment,
        role: one.role,
      })),
      memberId: place.member_id,
      role: place.role,
      workspaceId: place.workspace_id,
      workspaceName: place.workspace_name,
      environment: place.environment,
      plan: place.plan,
    },
  };
}
