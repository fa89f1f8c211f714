import { z } from "zod";
import { readInvitationToken } from "../../../shared/auth/invitation_token.ts";
import { uuidsV7 } from "../../../shared/db/uuid_v7.ts";
import { ApiError } from "../../../shared/errors.ts";
import { contextOf, type Reply, type SignedInExchange } from "../../../shared/http/exchange.ts";
import type { Given, Handler } from "../../../shared/http/route.ts";
import { invitations, members } from "../../../shared/resources/people.ts";
import { present } from "../../../shared/resources/present.ts";
import { oneOf } from "../../../shared/resources/schemas.ts";
import { ROLES } from "../../../shared/rights.ts";
import { act, changed, created, ended, type Options } from "./acts.ts";
import { recordId } from "./addressed.ts";

export const memberChange = z.strictObject({ role: oneOf(ROLES) });
export const acceptance = z.strictObject({ token: z.string("must be text").max(200, "must be the token of the mail") });

/** `PATCH /v1/members/{id}` */
export const updateMember: Handler<Options, z.infer<typeof memberChange>> = async (exchange, given) => {
  const answer = await act(exchange, given, "update_member", { ...given.body, id: recordId(exchange) });
  return changed(exchange, members, answer, given.query);
};

/** `DELETE /v1/members/{id}` */
export const removeMember: Handler<Options> = async (exchange, given) =>
  ended(exchange, await act(exchange, given, "remove_member", { id: recordId(exchange) }), given.query);

/** `POST /v1/invitations`: the mail leaves after the answer. */
export const createInvitation: Handler<Options, z.infer<typeof invitations.create>> = async (exchange, given) => {
  const [id = ""] = uuidsV7(1);
  const answer = await act(exchange, given, "create_invitation", { ...given.body, id });
  exchange.services.worker.wake();
  return created(exchange, invitations, answer, given.query);
};

/** `DELETE /v1/invitations/{id}` */
export const revokeInvitation: Handler<Options> = async (exchange, given) =>
  ended(exchange, await act(exchange, given, "revoke_invitation", { id: recordId(exchange) }), given.query);

/** `POST /v1/invitations/accept`: by whoever has signed in with the address that was invited. */
export async function acceptInvitation(
  exchange: SignedInExchange,
  { query, body }: Given<Options, z.infer<typeof acceptance>>,
): Promise<Reply> {
  const { services, session } = exchange;
  const invitationId = readInvitationToken(services.config.masterKey, body.token);
  if (invitationId === undefined) throw new ApiError("not_found", { message: "No invitation has this token." });
  const { member, workspace } = await services.database.call(
    "accept_invitation",
    {
      invitation_id: invitationId,
      user_id: session.userId,
      name: session.name ?? null,
      context: contextOf(exchange),
      ...query,
    },
    { role: "crm_auth" },
  );
  return { data: present(members, member), meta: { workspace, ...(query.dry_run && { dry_run: true }) } };
}
