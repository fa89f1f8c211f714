import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { webhookSecret } from "../../shared/webhooks/secret.ts";
import { signatureHeaders } from "../../shared/webhooks/signature.ts";

const MASTER_KEY = "a master key of at least 32 characters";
const ID = "01990f6e-2f6b-7c4e-9d1a-0123456789ab";

test("what is signed here, Standard Webhooks verifies: any body, as text and as bytes", () => {
  fc.assert(
    fc.property(fc.uuid(), fc.jsonValue(), fc.nat(1000), (id, value, generation) => {
      const body = JSON.stringify(value);
      const secret = webhookSecret(MASTER_KEY, id, generation);
      const at = new Date();
      const headers = signatureHeaders({ id, at, body, secrets: [secret] });
      expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
      expect(headers["webhook-signature"]).toBe(new Webhook(secret).sign(id, at, body));
      expect(signatureHeaders({ id, at, body: new TextEncoder().encode(body), secrets: [secret] })).toEqual(headers);
    }),
  );
});

test("with two secrets the holder of either verifies, and nobody else; nor what was altered or is old", () => {
  const [first, second, third] = [1, 2, 3].map((generation) => webhookSecret(MASTER_KEY, ID, generation));
  const signed = { id: "event", body: '{"a":1}', secrets: [second ?? "", first ?? ""] };
  const headers = signatureHeaders({ ...signed, at: new Date() });
  for (const secret of [first, second])
    expect(new Webhook(secret ?? "").verify(signed.body, headers)).toEqual({ a: 1 });
  expect(() => new Webhook(third ?? "").verify(signed.body, headers)).toThrow("No matching signature");
  expect(() => new Webhook(first ?? "").verify('{"a":2}', headers)).toThrow("No matching signature");
  expect(() => new Webhook(first ?? "").verify(signed.body, { ...headers, "webhook-id": "other" })).toThrow();
  const old = signatureHeaders({ ...signed, at: new Date(Date.now() - 6 * 60_000) });
  expect(() => new Webhook(first ?? "").verify(signed.body, old)).toThrow("too old");
});

test("each endpoint and each generation has a secret of its own, and another master key makes others", () => {
  const secrets = [
    webhookSecret(MASTER_KEY, ID, 1),
    webhookSecret(MASTER_KEY, ID, 2),
    webhookSecret(MASTER_KEY, ID, 12),
    webhookSecret(MASTER_KEY, ID.replace("0", "1"), 1),
    webhookSecret(`${MASTER_KEY}!`, ID, 1),
  ];
  expect(new Set(secrets).size).toBe(secrets.length);
  for (const secret of secrets) expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
});

/** Made on 27 November 2026: receivers keep theirs for years. */
const KEPT = "whsec_3RCDp37QZJau5nTWe3YF2FtYUACUr/zRsTQok+uDTyA=";

test("a secret that somebody has goes on working", () => {
  expect(webhookSecret(MASTER_KEY, ID, 1)).toBe(KEPT);
});
