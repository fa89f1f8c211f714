import { type Html, html } from "../html.ts";

/** A mail's HTML: it loads nothing from anywhere, so nobody learns that it was opened. */
export function page(title: string, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 38em; margin: 2em auto; padding: 0 1em">
${body}
<p>AutomateNexus CRM</p>
</body>
</html>
`;
}
