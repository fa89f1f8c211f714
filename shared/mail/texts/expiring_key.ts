import { z } from "zod";
import { html } from "../html.ts";
import { defineText, line, moment } from "../text.ts";
import { page } from "./page.ts";

/** Tells the owners of a workspace that one of its keys soon opens nothing any more. */
export const expiringKey = defineText({
  details: z.object({ workspace_name: line(), key_name: line(), last_four: line(), expires_at: moment() }),
  write({ workspace_name: workspace, key_name: key, last_four, expires_at: end }, { appUrl }) {
    const link = `${appUrl}/api_keys`;
    const subject = `The API key "${key}" of ${workspace} expires on ${end}`;
    const said = `The API key "${key}" of the workspace "${workspace}", which ends in ${last_four}, expires on ${end}.`;
    const after = "From then on every program that uses it is refused.";
    const advice =
      "If they are still needed, roll the key, or create a new one, and give that to them. Else there is nothing to do.";
    return {
      subject,
      text: `Hello,

${said}
${after}

${advice}

${link}

AutomateNexus CRM
`,
      html: page(
        subject,
        html`<p>Hello,</p>
<p>${said} ${after}</p>
<p>${advice}</p>
<p><a href="${link}">API keys</a></p>`,
      ),
    };
  },
});
