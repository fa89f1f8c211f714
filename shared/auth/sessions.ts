import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import { z } from "zod";
import type { Config } from "../config.ts";
import { unavailable } from "../db/sql_errors.ts";

/** Whose session an access token of Supabase Auth is, and when it ends (epoch milliseconds). */
export interface Session {
  userId: string;
  /** What Auth calls the sign-in that the token comes from. */
  sessionId: string | undefined;
  /** What they have told Auth that they are called. */
  name: string | undefined;
  endsAt: number;
}

/** @throws ApiError `service_unavailable` when the project's keys are needed and can't be read */
export type SessionVerifier = (token: string) => Promise<Session | "invalid_session" | "expired_session">;

/** How long fetched keys are believed: one that the project revokes is trusted no longer than that. */
const KEYS_MAX_AGE_MS = 10 * 60_000;
/** Only keys that nobody but the project can sign with: with HS256 a published key would do for a secret. */
const ALGORITHMS = ["ES256", "RS256", "EdDSA"];

const told = z.string().optional().catch(undefined);
const claims = z.looseObject({
  sub: z.uuid(),
  role: z.literal("authenticated"),
  exp: z.number(),
  session_id: z.uuid().optional(),
  user_metadata: z.looseObject({ full_name: told, name: told }).catch({}),
});

/** Checks access tokens of the project's Supabase Auth against its published keys. */
export function createSessionVerifier(config: Config): SessionVerifier {
  const keys = projectKeys(config);
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: config.sessionIssuer,
        audience: "authenticated",
        algorithms: ALGORITHMS,
      });
      const parsed = claims.safeParse(payload);
      if (!parsed.success) return "invalid_session";
      const { sub, session_id, exp, user_metadata: user } = parsed.data;
      return { userId: sub, sessionId: session_id, name: user.full_name ?? user.name, endsAt: exp * 1000 };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return "expired_session";
      if (isOfToken(error)) return "invalid_session";
      throw unavailable("the project's signing keys could not be read");
    }
  };
}

/** The keys that the platform tells, and beyond them those that the project publishes: after a rotation there is a new one. */
function projectKeys({ supabaseUrl, sessionKeys }: Config): JWTVerifyGetKey {
  const published = createRemoteJWKSet(new URL(`${supabaseUrl}/auth/v1/.well-known/jwks.json`), {
    cacheMaxAge: KEYS_MAX_AGE_MS,
  });
  if (sessionKeys === undefined) return published;
  const told = createLocalJWKSet({ keys: sessionKeys });
  return async (header, token) => {
    try {
      return await told(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return await published(header, token);
      throw error;
    }
  };
}

// Of the JOSE errors three are about reading the keys; what is no JOSE error is about the network.
function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JOSEError &&
    !["ERR_JOSE_GENERIC", "ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT"].includes(error.code)
  );
}
