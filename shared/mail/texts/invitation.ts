import { z } from "zod";
import { createInvitationToken } from "../../auth/invitation_token.ts";
import { html } from "../html.ts";
import { defineText, line, moment } from "../text.ts";
import { page } from "./page.ts";

/** Asks somebody into a workspace. */
export const invitation = defineText({
  details: z.object({
    invitation_id: z.uuid(),
    workspace_name: line(),
    inviter_name: line(),
    role: line(),
    expires_at: moment(),
  }),
  write(
    { invitation_id, workspace_name: workspace, inviter_name: inviter, role, expires_at: end },
    { appUrl, publicApiUrl, masterKey },
  ) {
    const token = createInvitationToken(masterKey, invitation_id);
    const link = `${appUrl}/invitations/accept?token=${token}`;
    const call = `POST ${publicApiUrl}/v1/invitations/accept {"token": "${token}"}`;
    const subject = `${inviter} invites you to ${workspace} on AutomateNexus CRM`;
    return {
      subject,
      text: `Hello,

${inviter} invites you to the workspace "${workspace}" on AutomateNexus CRM, as ${role}.

To accept, open this link and sign in or sign up with the address that this mail was sent to:

${link}

Over the API, with your own access token:

${call}

The invitation ends on ${end}. If you did not expect it, ignore this mail: nothing happens unless you accept.

AutomateNexus CRM
`,
      html: page(
        subject,
        html`<p>Hello,</p>
<p>${inviter} invites you to the workspace “${workspace}” on AutomateNexus CRM, as ${role}.</p>
<p>To accept, sign in or sign up with the address that this mail was sent to:</p>
<p><a href="${link}">Accept the invitation</a></p>
<p>Over the API, with your own access token:</p>
<pre style="white-space: pre-wrap; word-break: break-all">${call}</pre>
<p>The invitation ends on ${end}. If you did not expect it, ignore this mail: nothing happens unless you accept.</p>`,
      ),
    };
  },
});
