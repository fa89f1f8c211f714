import { z } from "zod";
import { html } from "../html.ts";
import { defineText, line, moment } from "../text.ts";
import { page } from "./page.ts";

/** Tells who looks after a workspace that one of its keys was found in public. */
export const leakedKey = defineText({
  details: z.object({
    workspace_name: line(),
    key_name: line(),
    last_four: line(),
    /** The page it was found on, where that is known. */
    url: line().nullable(),
    revoked_at: moment(),
  }),
  write({ workspace_name: workspace, key_name: key, last_four, url, revoked_at: at }, { appUrl }) {
    const place = url === null || url === "" ? "in a public place that GitHub searches" : `at ${url}`;
    const subject = `The API key "${key}" of ${workspace} was found in public and is revoked`;
    const named = `The API key "${key}" of the workspace "${workspace}", which ends in ${last_four},`;
    return {
      subject,
      text: `Hello,

${named} was found ${place}.

It was revoked on ${at}: whoever has it can't use it any more, nor can the programs that you gave it to.

What to do next:

1. Create a new key and give it to those programs:
   ${appUrl}
2. Look at what the old key did of late: the audit log and the history of your records name it.
3. Take it out of the place where it was found, and out of that place's history. A key belongs in a secret store or in
   an environment variable, never in a file that is shared.

AutomateNexus CRM
`,
      html: page(
        subject,
        html`<p>Hello,</p>
<p>${named} was found ${place}.</p>
<p>It was revoked on ${at}: whoever has it can’t use it any more, nor can the programs that you gave it to.</p>
<p>What to do next:</p>
<ol>
<li>Create a new key and give it to those programs: <a href="${appUrl}">${appUrl}</a></li>
<li>Look at what the old key did of late: the audit log and the history of your records name it.</li>
<li>Take it out of the place where it was found, and out of that place’s history. A key belongs in a secret store or in
an environment variable, never in a file that is shared.</li>
</ol>`,
      ),
    };
  },
});
