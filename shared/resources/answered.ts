import { z } from "zod";

/** Values whose answer another schema than their own says: what is taken as null is shown as an empty list. */
const shownAs = new WeakMap<z.ZodType, z.ZodType>();

/** Says what the values that a schema takes look like in an answer, where that does not follow from it. */
export function shown<Schema extends z.ZodType>(schema: Schema, as: z.ZodType): Schema {
  shownAs.set(schema, as);
  return schema;
}

/** The schema of what an answer has, of the schema of what a request may have: after reading, and nothing is added. */
export function answered(schema: z.ZodType): z.ZodType {
  const known = shownAs.get(schema);
  if (known !== undefined) return known;
  if (schema instanceof z.ZodNullable) return answered(schema.unwrap() as z.ZodType).nullable();
  if (schema instanceof z.ZodOptional) return answered(schema.unwrap() as z.ZodType).optional();
  if (schema instanceof z.ZodArray) return z.array(answered(schema.element as z.ZodType));
  if (schema instanceof z.ZodPipe)
    return answered((schema.out instanceof z.ZodTransform ? schema.in : schema.out) as z.ZodType);
  if (schema instanceof z.ZodObject)
    return z.strictObject(
      Object.fromEntries(Object.entries(schema.shape).map(([name, member]) => [name, answered(member as z.ZodType)])),
    );
  return schema;
}
