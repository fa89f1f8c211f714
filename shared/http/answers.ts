import { z } from "zod";
import { type Resource, withDeleted } from "../resources/define.ts";
import type { Answer } from "./route.ts";

/** One thing, whatever it is. */
export function one(data: z.ZodType, meta: z.ZodRawShape = {}): Answer {
  return { data, meta };
}

/** A page of things, with what leads to the next one. */
export function page(entry: z.ZodType, meta: z.ZodRawShape = {}): Answer {
  return {
    data: z.array(entry),
    meta: {
      total: z.int().nullable(),
      total_as_of: z.string().optional(),
      limit: z.int(),
      next_cursor: z.string().nullable(),
      has_more: z.boolean(),
      event_position: z.int().optional(),
      updated_through: z.string().optional(),
      ...meta,
    },
  };
}

/**
 * A record as `fields` and `include` choose: some of its fields, and related records whole. Made when it is asked for: no
 * request needs it, and an isolate would hold thousands of schemas.
 */
export function chosen(declared: Resource): z.ZodType {
  return z.lazy(() => {
    const resource = declared.operations.includes("restore") ? withDeleted(declared) : declared;
    const embedded = Object.entries(resource.include).map(
      ([name, related]) => [name, related.resource().record.nullable().optional()] as const,
    );
    return z.strictObject({ ...resource.record.partial().shape, ...Object.fromEntries(embedded) });
  });
}

/** What is left of a record that was deleted. */
export const deletedRecord = z.strictObject({ id: z.uuid() });

/** Marks what was only tried. */
export const dryRunMeta = { dry_run: z.literal(true).optional() };
