import { verify, verifyWithJwks } from "hono/jwt";
import { z } from "zod";
import type { Config } from "../config.ts";
import type { Database } from "../db/database.ts";
import { unavailable } from "../db/sql_errors.ts";
import { ApiError } from "../errors.ts";
import type { Credential } from "./authorization.ts";
import { hashApiKey } from "./key_format.ts";
import type { Principal } from "./principal.ts";

/** A revoked key stops everywhere within this time; row-level security refuses its data at once. */
const MAX_AGE_MS = 10_000;
/** From here on a used entry is refreshed in the background, so that busy keys never wait. */
const REFRESH_AGE_MS = 5_000;
const MAX_ENTRIES = 10_000;
/** How long a key that was good may be looked up again without being charged to its address. */
const GOOD_FOR_MS = 24 * 60 * 60_000;

type Lookup = { principal: Principal } | { refused: "invalid_api_key" | "expired_api_key" };

interface Entry {
  lookup: Promise<Lookup>;
  fetchedAt: number;
  refreshing: boolean;
}

/** Turns credentials into principals, with one database call per key, isolate and few seconds. */
export interface CredentialStore {
  /** Whether `authenticate` can answer from memory, or the credential was good not long ago. */
  isKnown(credential: Credential, workspaceId: string | null): boolean;
  /** @throws ApiError `invalid_api_key`, `expired_api_key`, `service_unavailable` */
  authenticate(credential: Credential, workspaceId: string | null): Promise<Principal>;
  /** Drops what is known of a credential, after the database refused its data. */
  forget(credential: Credential, workspaceId: string | null): void;
}

export function createCredentialStore(config: Config, database: Database): CredentialStore {
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
    forget: (credential, workspaceId) => void entries.delete(identity(credential, workspaceId)),
    async authenticate(credential, workspaceId) {
      const id = identity(credential, workspaceId);
      const lookup = await cached(id, () =>
        credential.kind === "api_key"
          ? findApiKey(database, hashApiKey(credential.key))
          : findMember(config, database, credential.token, workspaceId),
      );
      if ("refused" in lookup) {
        lastGoodAt.delete(id);
        throw new ApiError(lookup.refused);
      }
      noteGood(id);
      const { principal } = lookup;
      if (
        principal.kind === "api_key" &&
        principal.expiresAt !== null &&
        Date.parse(principal.expiresAt) <= Date.now()
      ) {
        throw new ApiError("expired_api_key");
      }
      return principal;
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
    principal: {
      kind: "api_key",
      keyId: row.key_id,
      keyName: row.key_name,
      prefix: row.prefix,
      lastFour: row.last_four,
      scope: row.scope,
      permissions: row.permissions,
      expiresAt: row.expires_at,
      workspaceId: row.workspace_id,
      workspaceName: row.workspace_name,
      environment: row.environment,
      plan: row.plan,
    },
  };
}

const sessionClaims = z.looseObject({ sub: z.uuid(), role: z.literal("authenticated") });

/** A signed-in user acts in the workspace of the `X-Workspace-Id` header, else in the oldest membership. */
async function findMember(
  config: Config,
  database: Database,
  token: string,
  workspaceId: string | null,
): Promise<Lookup> {
  const claims = await verifySession(config, token);
  if (claims === undefined) return { refused: "invalid_api_key" };
  const rows = await database.call("find_memberships", { user_id: claims.sub }, { role: "crm_auth" });
  const row =
    workspaceId === null ? rows[0] : rows.find((membership) => membership.workspace_id === workspaceId.toLowerCase());
  if (row === undefined) return { refused: "invalid_api_key" };
  return {
    principal: {
      kind: "user",
      userId: claims.sub,
      memberId: row.member_id,
      role: row.role,
      workspaceId: row.workspace_id,
      workspaceName: row.workspace_name,
      environment: row.environment,
      plan: row.plan,
    },
  };
}

/** Checks a Supabase Auth access token: with the shared secret, or with the project's published keys. */
async function verifySession(config: Config, token: string): Promise<{ sub: string } | undefined> {
  try {
    const payload =
      config.jwtSigningKey.alg === "HS256"
        ? await verify(token, config.jwtSigningKey, { alg: "HS256", iat: false })
        : await verifyWithJwks(token, {
            jwks_uri: `${config.supabaseUrl}/auth/v1/.well-known/jwks.json`,
            allowedAlgorithms: ["ES256", "RS256"],
          });
    return sessionClaims.parse(payload);
  } catch (error) {
    // What the token is refused for has a name that starts with Jwt, or is a claim that is missing.
    if (error instanceof z.ZodError || (error instanceof Error && error.name.startsWith("Jwt"))) return undefined;
    throw unavailable("the project's signing keys could not be read");
  }
}
