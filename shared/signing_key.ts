import { importJWK, SignJWT } from "jose";
import { z } from "zod";

const publicPart = {
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  alg: z.literal("ES256"),
  kid: z.string().min(1),
  x: z.string(),
  y: z.string(),
};

/** The public half of a key, as a JWKS lists it. */
export const publicKey = z.object({ ...publicPart, use: z.literal("sig").default("sig") });
export type PublicKey = z.infer<typeof publicKey>;

/** A private ES256 key as a JWK, as `supabase gen signing-key` makes it. */
export const signingKey = z.object({ ...publicPart, d: z.string() });
export type SigningKey = z.infer<typeof signingKey>;

/** Signs claims with a key, for so many seconds. */
export type Signer = (claims: Record<string, unknown>, lifetimeSeconds: number) => Promise<string>;

export function createSigner(key: SigningKey): Signer {
  const { kid, alg } = key;
  let imported: ReturnType<typeof importJWK> | undefined;
  return async (claims, lifetimeSeconds) => {
    imported ??= importJWK(key);
    const issuedAt = Math.floor(Date.now() / 1000);
    return await new SignJWT({ ...claims, iat: issuedAt, exp: issuedAt + lifetimeSeconds })
      .setProtectedHeader({ alg, kid, typ: "JWT" })
      .sign(await imported);
  };
}
