import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { z } from "zod";
import { unavailable } from "../db/sql_errors.ts";

/** What GitHub's secret scanning signs a report with (ECDSA over P-256 and SHA-256). */
export interface ReportSignature {
  /** Of the key, `Github-Public-Key-Identifier`. */
  identifier: string;
  /** DER in base64, `Github-Public-Key-Signature`. */
  signature: string;
}

/** Whether GitHub has signed these very bytes. @throws ApiError `service_unavailable` when its keys can't be read */
export type ReportVerifier = (bytes: Uint8Array, signed: ReportSignature) => Promise<boolean>;

/** How long keys are believed: one that GitHub withdraws is trusted no longer than that. */
const MAX_AGE_MS = 60 * 60_000;
/** Between two looks: whoever makes identifiers up, or asks while GitHub is away, has it asked no more often. */
const COOL_DOWN_MS = 30_000;
const TIMEOUT_MS = 5_000;

const published = z.object({ public_keys: z.array(z.object({ key_identifier: z.string(), key: z.string() })) });

/** Checks signatures against the keys that GitHub publishes at `keysUrl`. */
export function createReportVerifier(keysUrl: string, now: () => number = Date.now): ReportVerifier {
  let keys = new Map<string, KeyObject>();
  let readAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    askedAt = now();
    try {
      keys = await readKeys(keysUrl);
      readAt = now();
    } catch {
      throw unavailable("the keys of secret scanning could not be read");
    } finally {
      reading = undefined;
    }
  }

  async function keyOf(identifier: string): Promise<KeyObject | undefined> {
    const isFresh = () => now() - readAt < MAX_AGE_MS;
    if (isFresh() && keys.has(identifier)) return keys.get(identifier);
    if (reading === undefined && now() - askedAt >= COOL_DOWN_MS) reading = read();
    await reading;
    if (!isFresh()) throw unavailable("the keys of secret scanning could not be read a moment ago");
    return keys.get(identifier);
  }

  return async (bytes, { identifier, signature }) => {
    if (!isDer(signature)) return false;
    const key = await keyOf(identifier);
    return key !== undefined && isSigned(bytes, signature, key);
  };
}

async function readKeys(url: string): Promise<Map<string, KeyObject>> {
  const response = await fetch(url, {
    headers: { Accept: "application/json", "User-Agent": "AutomateNexus-CRM" }, // GitHub refuses who doesn't say who they are.
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  const { public_keys: listed } = published.parse(await response.json());
  return new Map(listed.map(({ key_identifier, key }) => [key_identifier, createPublicKey(key)]));
}

// A sequence of two numbers (RFC 3279 §2.2.3). What is none needs no key to be refused.
function isDer(signature: string): boolean {
  const bytes = Buffer.from(signature, "base64");
  return bytes[0] === 0x30 && bytes.length <= 72 && bytes[1] === bytes.length - 2;
}

function isSigned(bytes: Uint8Array, signature: string, key: KeyObject): boolean {
  try {
    return verify("sha256", bytes, key, Buffer.from(signature, "base64"));
  } catch {
    return false; // No signature at all.
  }
}
