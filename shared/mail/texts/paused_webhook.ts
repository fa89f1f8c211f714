import { z } from "zod";
import { html } from "../html.ts";
import { defineText, line, moment } from "../text.ts";
import { page } from "./page.ts";

const REASONS = {
  failing: "It has failed for five days.",
  gone: "It answered 410 Gone, which asks us to send no more.",
  creator_gone: "The key that made it was revoked, or whoever made it has left the workspace.",
} as const;
const REMEDIES = {
  failing: "When it answers again, resume it.",
  gone: "If that was a mistake, resume it. If not, delete it.",
  creator_gone: "If it is still needed, an owner or admin resumes it, whose it is from then on. If not, delete it.",
} as const;

/** Tells whose an endpoint is that it gets nothing until somebody resumes it. */
export const pausedWebhook = defineText({
  details: z.object({
    webhook_id: z.uuid(),
    workspace_name: line(),
    host: line(),
    /** Without a query. */
    url: line(),
    reason: z.enum(["failing", "gone", "creator_gone"]),
    paused_at: moment(),
  }),
  write({ webhook_id, workspace_name, host, url, reason, paused_at }, { appUrl }) {
    const link = `${appUrl}/webhooks/${webhook_id}`;
    const subject = `Webhooks to ${host} are paused`;
    const said = `The webhook endpoint ${url} of the workspace "${workspace_name}" was paused on ${paused_at}.`;
    const next = `${REMEDIES[reason]} It goes on where it stopped: events are kept for 30 days.`;
    return {
      subject,
      text: `Hello,

${said}
${REASONS[reason]}

${next}

${link}

AutomateNexus CRM
`,
      html: page(
        subject,
        html`<p>Hello,</p>
<p>${said} ${REASONS[reason]}</p>
<p>${next}</p>
<p><a href="${link}">The endpoint</a></p>`,
      ),
    };
  },
});
