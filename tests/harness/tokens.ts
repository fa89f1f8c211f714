import { createSigner, type SigningKey } from "../../shared/signing_key.ts";
import { stack } from "./stack.ts";

/** The key that the function signs its tokens for the database with. */
export const functionKey = (): SigningKey => JSON.parse(stack().functionEnv["JWT_SIGNING_KEY"] ?? "");

/** A token for PostgREST, as the function signs one. */
export async function functionToken(claims: Record<string, unknown>, lifetimeSeconds = 60): Promise<string> {
  return await createSigner(functionKey())(claims, lifetimeSeconds);
}

/** An access token as the project's Auth makes one. `claims` overrule its own; `undefined` leaves one out. */
export async function sessionToken(
  userId: string | undefined,
  claims: Record<string, unknown> = {},
  lifetimeSeconds = 3600,
): Promise<string> {
  const issued = {
    iss: issuer(),
    aud: "authenticated",
    role: "authenticated",
    sub: userId,
    session_id: crypto.randomUUID(),
  };
  return await createSigner(stack().authKey)({ ...issued, ...claims }, lifetimeSeconds);
}

/** What the project's Auth calls itself in its tokens. */
export const issuer = (): string => `${stack().signIn["SUPABASE_URL"]}/auth/v1`;
