import { z } from "zod";
import { generateApiKey } from "../../../shared/auth/key_format.ts";
import type { ActAnswer } from "../../../shared/db/acts.ts";
import { claimsOf, type RecordData } from "../../../shared/db/records.ts";
import { uuidsV7 } from "../../../shared/db/uuid_v7.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import { apiKeys, permissionsOf, scopeNames } from "../../../shared/resources/api_keys.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { integer } from "../../../shared/resources/schemas.ts";
import { act, changed, created, ended, type Options } from "./acts.ts";
import { findVisible, recordId } from "./addressed.ts";

/** What a key is made of; which permissions there are, the version's resources say. */
export const newKey = (resources: readonly Resource[]) =>
  apiKeys.create.extend({ permissions: permissionsOf(resources).nullable().optional() });

/** What of a key can change, and only to less. */
export const keyChange = (resources: readonly Resource[]) => newKey(resources).partial();

/** 86,400 seconds are a day: as long as two versions of an integration run side by side. */
export const rollBody = z.strictObject({ grace_period_seconds: integer(0, 86_400).optional() });

/** A key as the answer to its creation shows it, the only one that has it. A dry run makes none. */
export const createdKey = apiKeys.record.extend({ key: z.string().optional() });

export const usedPermissions = z.strictObject({
  scope: z.literal("custom"),
  permissions: z.record(z.string(), z.enum(["none", "read", "write"])),
});

/** `POST /v1/api_keys` */
export const createApiKey: Handler<Options, RecordData> = async (exchange, given) => {
  const { key, stored } = generate(exchange);
  const answer = await act(exchange, given, "create_api_key", { ...given.body, ...stored });
  return withKey(exchange, answer, key, given.query);
};

/** `PATCH /v1/api_keys/{id}` */
export const updateApiKey: Handler<Options, RecordData> = async (exchange, given) => {
  const answer = await act(exchange, given, "update_api_key", { ...given.body, id: recordId(exchange) });
  return changed(exchange, apiKeys, answer, given.query);
};

/** `POST /v1/api_keys/{id}/roll`: a new key in the place of one that ends, at once or after a grace. */
export const rollApiKey: Handler<Options, z.infer<typeof rollBody>> = async (exchange, given) => {
  const { key, stored } = generate(exchange);
  const { grace_period_seconds = 0 } = given.body;
  const answer = await act(exchange, given, "roll_api_key", {
    id: recordId(exchange),
    grace_period_seconds,
    new: stored,
  });
  return withKey(exchange, answer, key, given.query);
};

/** `DELETE /v1/api_keys/{id}` */
export const revokeApiKey: Handler<Options> = async (exchange, given) => revoke(exchange, given, recordId(exchange));

/** `POST /v1/api_keys/current/revoke`: by whoever holds the key, whatever it may do otherwise. */
export const revokeCurrentKey: Handler<Options> = async (exchange, given) =>
  revoke(exchange, given, currentKey(exchange));

/** `GET /v1/api_keys/current` */
export const readCurrentKey: Handler<Pick<ListQuery, "fields">> = async (exchange, { query }) =>
  readKey(exchange, currentKey(exchange), query);

/** `GET /v1/api_keys/{id}`: any of the workspace for its people, itself for a key. */
export const readApiKey: Handler<Pick<ListQuery, "fields">> = async (exchange, { query }) => {
  const id = recordId(exchange);
  requireOwn(exchange, id);
  return readKey(exchange, id, query);
};

/** `GET /v1/api_keys/{id}/used_permissions`: what would do for what the key has done. */
export const readUsedPermissions: Handler<{ days: number }> = async (exchange, { query }) => {
  const { services, principal, version } = exchange;
  const id = recordId(exchange);
  requireOwn(exchange, id);
  const used = await services.database.call("used_permissions", { id, ...query }, claimsOf(principal));
  const nothing = Object.fromEntries(scopeNames(version.resources).map((name) => [name, "none"]));
  return { data: { scope: "custom", permissions: Object.keys(used).length > 0 ? used : nothing } };
};

async function readKey(
  exchange: AuthorizedExchange,
  id: string,
  { fields }: Pick<ListQuery, "fields">,
): Promise<Reply> {
  return { data: present(apiKeys, await findVisible(exchange, "api_keys", id), fields) };
}

async function revoke(exchange: AuthorizedExchange, given: Parameters<typeof act>[1], id: string): Promise<Reply> {
  const { services, principal, credential } = exchange;
  requireOwn(exchange, id);
  const answer = await act(exchange, given, "revoke_api_key", { id });
  if (principal.kind === "api_key" && credential !== undefined) services.credentials.forget(credential, null);
  return ended(exchange, answer, given.query);
}

// Whether another key exists, a key does not learn.
function requireOwn({ principal }: AuthorizedExchange, id: string): void {
  if (principal.kind === "api_key" && principal.keyId !== id) throw new ApiError("user_required");
}

function currentKey({ principal }: AuthorizedExchange): string {
  if (principal.kind === "api_key") return principal.keyId;
  throw new ApiError("not_found", { message: "The request was not made with an API key. Name one by its id." });
}

/** A key, and what of it is stored. */
function generate({ principal }: AuthorizedExchange) {
  const { key, prefix, lastFour, hashHex } = generateApiKey(principal.environment === "sandbox" ? "test" : "live");
  const [id = ""] = uuidsV7(1);
  return { key, stored: { id, prefix, last_four: lastFour, key_hash: hashHex } };
}

/** @throws ApiError `idempotency_key_used` for a repetition, because nobody has the first one's key any more */
function withKey(exchange: AuthorizedExchange, answer: ActAnswer, key: string, options: Options): Reply {
  if (answer.replayed !== null) throw new ApiError("idempotency_key_used", { details: { id: answer.record["id"] } });
  const reply = created(exchange, apiKeys, answer, options);
  if (options.dry_run) return reply;
  return {
    ...reply,
    data: { ...(reply.data as object), key },
    headers: { ...reply.headers, "Cache-Control": "no-store" },
  };
}
