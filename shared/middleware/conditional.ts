import { createHash } from "node:crypto";
import { ApiError } from "../errors.ts";
import type { Exchange, Reply } from "../http/exchange.ts";
import { bodiless } from "../http/respond.ts";

const MAX_TAGS = 50;

/**
 * A strong entity tag: the record's version, and a digest of what is shown of it, because `fields`,
 * `include` and computed fields change the representation while the version stays.
 */
export function entityTag(data: Record<string, unknown>): string {
  const digest = createHash("sha1").update(JSON.stringify(data)).digest("base64url").slice(0, 10);
  return `"${data["version"] ?? 0}.${digest}"`;
}

/** 304 when `If-None-Match` names what would be answered to a read (RFC 9110 §13.1.2); it costs nothing. */
export async function answerUnchanged(exchange: Exchange, reply: Reply): Promise<Response | undefined> {
  const { request, services, bucket, decision } = exchange;
  const tag = exchange.route?.takes.includes("If-None-Match") ? reply.headers?.["ETag"] : undefined;
  const header = request.headers.get("if-none-match");
  if (tag === undefined || header === null) return undefined;
  // `*` names any version, so it proves no copy: it is answered, and costs what every request does.
  const isAny = header.trim() === "*";
  if (!isAny && !header.split(",", MAX_TAGS).some((given) => given.trim().replace(/^W\//, "") === tag))
    return undefined;
  if (!isAny && bucket !== undefined && decision !== undefined && (await services.refunds.take(bucket)).allowed)
    exchange.decision = (await services.limiter.refund(bucket, decision)) ?? decision;
  return bodiless(exchange, 304, { ETag: tag });
}

/**
 * The versions that `If-Match` accepts; undefined for no header or `*`. A tag counts by its version,
 * so one that was read with other `fields`, or weakened by a proxy, works too.
 * @throws ApiError `precondition_failed` when no tag can be one of ours, naming the form.
 */
export function matchVersions(request: Request): number[] | undefined {
  const header = request.headers.get("if-match");
  if (header === null || header.trim() === "*") return undefined;
  const versions = header.split(",", MAX_TAGS).flatMap((tag) => {
    const version = /^(?:W\/)?"?(\d{1,15})(?:\.[\w-]+)?"?$/.exec(tag.trim())?.[1];
    return version === undefined ? [] : [Number(version)];
  });
  if (versions.length > 0) return versions;
  const message = 'The If-Match header must be an ETag as it was given, such as "3.k1Jx0aVb2c", or *.';
  throw new ApiError("precondition_failed", { message, details: { "If-Match": [message] } });
}
