import { z } from "zod";
import { singleValues, unknownParameter } from "../query/parameters.ts";
import { validate } from "../query/validation.ts";
import type { Query } from "./route.ts";

/** A query of these parameters and no others. */
export function parameters<const Shape extends z.ZodRawShape>(
  shape: Shape,
): Query<z.output<z.ZodObject<Shape, z.core.$strict>>> {
  const schema = z.strictObject(shape);
  return {
    parameters: schema,
    errors: [],
    parse({ url }) {
      const given = singleValues(url.searchParams);
      const unknown = [...given.keys()].find((name) => !Object.hasOwn(shape, name));
      if (unknown !== undefined) throw unknownParameter(unknown, Object.keys(shape));
      return validate(schema, Object.fromEntries(given), { kind: "parameter" });
    },
  };
}
