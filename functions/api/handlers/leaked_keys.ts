import { z } from "zod";
import { hashApiKey, isWellFormedApiKey } from "../../../shared/auth/key_format.ts";
import { callWithRetry } from "../../../shared/db/database.ts";
import { contextOf, type Exchange, type Reply } from "../../../shared/http/exchange.ts";
import type { Given } from "../../../shared/http/route.ts";
import { signedBody } from "../../../shared/http/signed_body.ts";

const MAX_FOUND = 1_000;

/** What GitHub's secret scanning has found, in the words of its partner programme. */
const found = z.looseObject({ token: z.string(), type: z.string(), url: z.string().optional() });

export const leakReport = signedBody(
  z.array(found).max(MAX_FOUND),
  `must be a list of at most ${MAX_FOUND.toLocaleString("en-US")} objects with token, type and url`,
);

/** What each of them was, as GitHub takes it back. The hash stands for what must not be said again. */
export const verdicts = z.array(
  z.strictObject({
    token_hash: z.string(),
    token_type: z.string(),
    label: z.enum(["true_positive", "false_positive"]),
  }),
);

/** `POST /v1/leaked_keys`: revokes keys that were found in public, and tells whose they were. */
export async function reportLeakedKeys(
  exchange: Exchange,
  { body }: Given<unknown, z.infer<typeof found>[]>,
): Promise<Reply> {
  const { database, worker } = exchange.services;
  const reported = body.map((one) => ({ ...one, hash: hashApiKey(one.token) }));
  const candidates = new Map(
    reported.filter(({ token }) => isWellFormedApiKey(token)).map(({ hash, url = "" }) => [hash, url]),
  );
  const keys = [...candidates].map(([key_hash, url]) => ({ key_hash, url }));
  const report = { source: "github", context: contextOf(exchange), keys };
  const ours =
    keys.length === 0 ? [] : await callWithRetry(database, "report_leaked_keys", report, { role: "crm_auth" });
  if (ours.length > 0) worker.wake();
  return {
    document: reported.map(({ hash, type }) => ({
      token_hash: hash,
      token_type: type,
      label: ours.includes(hash) ? "true_positive" : "false_positive",
    })),
  };
}
