import { z } from "zod";
import { html } from "../html.ts";
import { defineText, line, moment } from "../text.ts";
import { page } from "./page.ts";

/** Tells whose an endpoint is that it takes no events: when it has failed for an hour, and a day before it is paused. */
export const failingWebhook = defineText({
  details: z.object({
    webhook_id: z.uuid(),
    workspace_name: line(),
    host: line(),
    /** Without a query. */
    url: line(),
    notice: z.enum(["first", "last"]),
    began_at: moment(),
    pauses_at: moment(),
    /** Of the last attempt, where one is known. */
    last_result: line().nullable(),
  }),
  write({ webhook_id, workspace_name, host, url, notice, began_at, pauses_at, last_result }, { appUrl }) {
    const link = `${appUrl}/webhooks/${webhook_id}`;
    const subject =
      notice === "first"
        ? `Webhooks to ${host} have been failing for an hour`
        : `Webhooks to ${host} have been failing for days and are paused on ${pauses_at}`;
    const said = `The webhook endpoint ${url} of the workspace "${workspace_name}" has taken no event since ${began_at}.`;
    const result = last_result === null ? "" : ` What came of an attempt: ${last_result}.`;
    const next = `We go on trying. If it does not answer with a 2xx status by ${pauses_at}, it is paused until somebody resumes it.`;
    const kept = "Nothing is lost: events are kept for 30 days, and are sent once it answers again.";
    return {
      subject,
      text: `Hello,

${said}${result}

${next}
${kept}

Its deliveries, with every attempt and answer:

${link}

AutomateNexus CRM
`,
      html: page(
        subject,
        html`<p>Hello,</p>
<p>${said}${result}</p>
<p>${next} ${kept}</p>
<p><a href="${link}">Its deliveries, with every attempt and answer</a></p>`,
      ),
    };
  },
});
