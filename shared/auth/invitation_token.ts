import { Buffer } from "node:buffer";
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

const SHAPE = /^inv_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_[\w-]{43}$/;

/**
 * What an invitation's mail proves itself with. It is made anew whenever it is needed and never stored: nothing in the
 * database opens the door that a mail opens.
 */
export function createInvitationToken(masterKey: string, invitationId: string): string {
  const key = new Uint8Array(hkdfSync("sha256", masterKey, "", "invitation token", 32));
  const mac = createHmac("sha256", key).update(invitationId).digest("base64url");
  return `inv_${invitationId.replaceAll("-", "")}_${mac}`;
}

/** The id of the invitation that a token was made for; undefined when we have not made it. */
export function readInvitationToken(masterKey: string, token: string): string | undefined {
  const groups = SHAPE.exec(token)?.slice(1);
  if (groups === undefined) return undefined;
  const invitationId = groups.join("-");
  const ours = createInvitationToken(masterKey, invitationId);
  return timingSafeEqual(Buffer.from(token), Buffer.from(ours)) ? invitationId : undefined;
}
