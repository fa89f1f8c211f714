/** Markup, which is never escaped again. */
export interface Html {
  readonly markup: string;
}

/** HTML with values in it, each of them escaped unless it is HTML already. */
export function html(strings: TemplateStringsArray, ...values: (string | Html | readonly Html[])[]): Html {
  return { markup: String.raw({ raw: strings }, ...values.map(markupOf)) };
}

function markupOf(value: string | Html | readonly Html[]): string {
  if (typeof value === "string") return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return "markup" in value ? value.markup : value.map(({ markup }) => markup).join("");
}
