import { Buffer } from "node:buffer";
import { CompactSign, type CryptoKey, compactVerify, createLocalJWKSet, decodeJwt } from "jose";
import { createSigner, publicKey, type SigningKey } from "../../../shared/signing_key.ts";

const INNER = { alg: "HS256", typ: "JWT" };

/** Makes the tokens of the library those of a hosted project, and back: it signs with a secret only. */
export interface TokenExchange {
  /** The request with the library's token in the place of one that was handed out. */
  incoming(request: Request): Promise<Request>;
  /** The answer with tokens to hand out in the place of the library's. */
  outgoing(response: Response): Promise<Response>;
}

interface SessionBody {
  access_token: string;
  user?: { phone?: string; app_metadata?: unknown; user_metadata?: unknown; is_anonymous?: boolean };
}

/** `secret` is what the library signs with; nobody else may know it. */
export function createTokenExchange(key: SigningKey, issuer: string, secret: CryptoKey): TokenExchange {
  const keys = createLocalJWKSet({ keys: [publicKey.parse(key)] });
  const sign = createSigner(key);

  /** The claims of a hosted project's token, as far as the library knows what they say. */
  async function handedOut({ access_token, user = {} }: SessionBody): Promise<string> {
    const { iat = 0, exp = 0, ...claims } = decodeJwt(access_token);
    const { phone = "", app_metadata = {}, user_metadata = {}, is_anonymous = false } = user;
    const hosted = { iss: issuer, phone, app_metadata, user_metadata, aal: "aal1", is_anonymous };
    return await sign({ ...hosted, ...claims }, exp - iat);
  }

  return {
    async incoming(request) {
      const [, token = ""] = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
      if (!token.includes(".")) return request;
      const inner = await compactVerify(token, keys).then(
        ({ payload }) => new CompactSign(payload).setProtectedHeader(INNER).sign(secret),
        // So that the library looks at the signature, and refuses it in its words.
        () => token.replace(/^[^.]*/, Buffer.from(JSON.stringify(INNER)).toString("base64url")),
      );
      const headers = new Headers(request.headers);
      headers.set("authorization", `Bearer ${inner}`);
      return new Request(request, { headers });
    },
    async outgoing(response) {
      const { status } = response;
      const headers = new Headers(response.headers);
      const location = headers.get("location") ?? "";
      // A link of a mail leads to the site with the session behind a "#".
      const [, inLocation] = /[#&]access_token=([^&]+)/.exec(location) ?? [];
      if (inLocation !== undefined) {
        headers.set("location", location.replace(inLocation, await handedOut({ access_token: inLocation })));
        return new Response(null, { status, headers });
      }
      if (!headers.get("content-type")?.includes("json")) return response;
      const body = await response.clone().json();
      if (typeof body?.access_token !== "string") return response;
      headers.delete("content-length");
      return new Response(JSON.stringify({ ...body, access_token: await handedOut(body) }), { status, headers });
    },
  };
}
