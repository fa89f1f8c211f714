import { z } from "zod";
import { stampedFields } from "./common.ts";
import { defineResource } from "./define.ts";
import { boolean, list, oneOf, text } from "./schemas.ts";

/** What a workspace adds to one of the customizable resources. Key and type never change; the label is only shown. */
export const customFieldsFor = (customizable: readonly [string, ...string[]]) =>
  defineResource({
    singular: "custom_field",
    plural: "custom_fields",
    fields: {
      ...stampedFields,
      resource: {
        schema: oneOf(customizable),
        required: true,
        createOnly: true,
        filter: "enum",
        sort: true,
      },
      key: {
        schema: z
          .string()
          .regex(
            /^[a-z][a-z0-9_]{0,62}$/,
            "must be a slug of lower-case letters, digits and _ that starts with a letter",
          ),
        required: true,
        createOnly: true,
        unique: "duplicate_name",
        within: ["resource"],
        filter: "text",
        sort: true,
        searched: true,
      },
      label: { schema: text(100), required: true, filter: "text", sort: true, searched: true },
      type: {
        schema: oneOf(["text", "number", "boolean", "date", "datetime", "select", "multi_select", "url", "email"]),
        required: true,
        createOnly: true,
        filter: "enum",
      },
      options: {
        schema: list(text(100), 200, "must be a list of texts").refine(
          (values) => new Set(values).size === values.length,
          "must not repeat an entry",
        ),
        default: [],
      },
      required: { schema: boolean(), default: false, filter: "boolean" },
    },
    movable: true,
    rules: { write: ["field_in_use"], delete: ["field_in_use"] },
  });
