import { z } from "zod";
import { MAX_COMPARISONS, MAX_INCLUDES } from "../bounds.ts";
import { fieldError } from "../errors.ts";
import { type Resource, withDeleted } from "../resources/define.ts";
import { namesIn } from "../resources/plain_text.ts";
import { list, oneOf } from "../resources/schemas.ts";
import { type Condition, filterableFields, parseFilterTree, parseSearch, parseUrlFilter } from "./filter.ts";
import { flag, limit, pageParameters, singleValues, unknownParameter } from "./parameters.ts";
import { PLAIN_CONTEXT, type QueryContext } from "./query_context.ts";
import { parseSort, type SortKey } from "./sort.ts";
import { unknownName } from "./suggest.ts";
import { validate } from "./validation.ts";

/** A list as it was asked for, from the URL or from a search body; every name and value is checked. */
export interface ListQuery {
  /** What is listed: as it lives, or with what tells when a record was deleted. */
  resource: Resource;
  where: Condition[];
  /** What the filters and the search ask, in one order and however they were spelled, which a cursor is bound to. */
  filter: string;
  sort: SortKey[];
  limit: number;
  cursor: string | undefined;
  /** Fields to show; undefined shows all. */
  fields: string[] | undefined;
  include: string[];
  /** False leaves the total out. */
  total: boolean;
  /** What was deleted in the last 90 days: alone, or with what lives. */
  deleted?: "only" | "include" | undefined;
}

const search = z.string();
const names = z.string().transform(namesIn);
const deleted = z.enum(["only", "include"], "must be only or include").optional();

/** The parameters of a list beside its filters. */
export const listParameters = {
  ...pageParameters,
  sort: z.string().optional(),
  search: search.optional(),
  fields: names.optional(),
  include: names.optional(),
  total: flag(true),
  deleted,
};
const listSchema = z.strictObject(listParameters);

/** `GET /v1/<resource>?…`: reserved parameters and one filter per field. */
export function parseListUrl(
  declared: Resource,
  parameters: URLSearchParams,
  context: QueryContext = PLAIN_CONTEXT,
): ListQuery {
  const resource = asked(declared, parameters.get("deleted"));
  const { where, filter, given } = parseFilters(resource, parameters, listSchema, context);
  return {
    ...given,
    resource,
    where,
    filter,
    cursor: given.cursor,
    sort: parseSort(resource, given.sort, context),
    fields: parseFields(resource, given.fields),
    include: parseInclude(resource, given.include),
  };
}

/** The resource that a query is about: as it lives, or with what was deleted. @throws ApiError `validation_error` */
export function asked(resource: Resource, deletedAsked: unknown): Resource {
  if (deletedAsked === undefined || deletedAsked === null) return resource;
  if (resource.operations.includes("restore")) return withDeleted(resource);
  throw fieldError("validation_error", "deleted", `The ${resource.plural} keep nothing that was deleted.`);
}

/** The filters of a URL, the search among them, and its other parameters, which must be those of `schema`. */
export function parseFilters<Schema extends z.ZodObject>(
  resource: Resource,
  parameters: URLSearchParams,
  schema: Schema,
  context: QueryContext,
): { where: Condition[]; filter: string; given: z.output<Schema> } {
  const values = singleValues(parameters);
  const reserved = Object.keys(schema.shape).filter((name) => name !== "search" || isSearchable(resource));
  if (values.size > MAX_COMPARISONS + reserved.length)
    throw fieldError("validation_error", "query", `The query may not have more than ${MAX_COMPARISONS} filters.`);
  let filterable: string[] | undefined;
  const where: Condition[] = [];
  const others: Record<string, string> = {};
  for (const [parameter, raw] of values) {
    if (reserved.includes(parameter)) {
      others[parameter] = raw;
      continue;
    }
    const [, name = parameter, operator] = /^([a-z0-9_.]+)\[([^[\]]*)\]$/i.exec(parameter) ?? [];
    filterable ??= filterableFields(resource, context);
    if (!filterable.includes(name)) throw unknownParameter(parameter, [...reserved, ...filterable]);
    where.push(parseUrlFilter(resource, context, { name, operator, raw }));
  }
  const searched = others["search"];
  if (searched !== undefined) where.push(parseSearch(resource, searched, context));
  const given = validate(schema, others, { kind: "parameter" }) as z.output<Schema>;
  return { where, filter: canonical(where, given["deleted"]), given };
}

/** The same text for the same question: of a list and of a search, in whatever order its filters stand. */
function canonical(where: readonly Condition[], deleted: unknown): string {
  const all = where.flatMap((one) => ("and" in one ? one.and : [one])).map((one) => JSON.stringify(one));
  return JSON.stringify([...all.sort(), deleted]);
}

/** The JSON of `POST /v1/<resource>/search`; its members are checked by `parseSearchBody`. */
export const searchBody = z.strictObject({
  filter: z.unknown().optional(),
  search: z.string("must be text").optional(),
  sort: z.string("must be text such as -created_at").optional(),
  limit: z.number("must be a whole number from 1 to 100").optional(),
  cursor: z.string("must be a cursor from meta.next_cursor").nullable().optional(),
  fields: list(z.string(), 200, "must be a list of field names").optional(),
  include: list(z.string(), 100, "must be a list of related records").optional(),
  total: z.boolean("must be true or false").optional(),
  deleted: oneOf(["only", "include"]).optional(),
});

/** `POST /v1/<resource>/search` asks the same questions as the list, with a filter tree. */
export function parseSearchBody(
  declared: Resource,
  body: z.infer<typeof searchBody>,
  context: QueryContext = PLAIN_CONTEXT,
): ListQuery {
  const resource = asked(declared, body.deleted);
  const where: Condition[] = [];
  if (body.filter !== undefined && body.filter !== null) where.push(parseFilterTree(resource, body.filter, context));
  if (body.search !== undefined && !isSearchable(resource))
    throw fieldError("validation_error", "search", `The ${resource.plural} can't be searched. Use filters.`);
  if (body.search !== undefined) where.push(parseSearch(resource, body.search, context));
  const { limit: size } = validate(sizeSchema, { limit: body.limit?.toString() }, { kind: "parameter" });
  return {
    resource,
    where,
    filter: canonical(where, body.deleted),
    sort: parseSort(resource, body.sort, context),
    limit: size,
    cursor: body.cursor ?? undefined,
    fields: parseFields(resource, body.fields),
    include: parseInclude(resource, body.include),
    total: body.total ?? true,
    deleted: body.deleted,
  };
}

const sizeSchema = z.strictObject({ limit: limit() });

/** The parameters of a single read. */
export const readParameters = { fields: names.optional(), include: names.optional() };

/** What `readParameters` ask of a resource. */
export function parseRead(
  resource: Resource,
  { fields, include }: { fields?: string[] | undefined; include?: string[] | undefined },
): Pick<ListQuery, "fields" | "include"> {
  return { fields: parseFields(resource, fields), include: parseInclude(resource, include) };
}

/** Whether it has words to be found by. */
function isSearchable(resource: Resource): boolean {
  return Object.values(resource.fields).some((field) => field.searched);
}

function parseFields(resource: Resource, given: string[] | undefined): string[] | undefined {
  if (given === undefined) return undefined;
  const unknown = given.find((name) => !Object.hasOwn(resource.fields, name));
  if (unknown !== undefined)
    throw fieldError("validation_error", "fields", unknownName("field", unknown, resource.names.all));
  return ["id", ...given.filter((name) => name !== "id")];
}

function parseInclude(resource: Resource, given: string[] = []): string[] {
  const unknown = given.find((name) => !Object.hasOwn(resource.include, name));
  if (unknown !== undefined) {
    const sentence = unknownName("related record", unknown, Object.keys(resource.include));
    throw fieldError("validation_error", "include", sentence);
  }
  const distinct = [...new Set(given)];
  if (distinct.length <= MAX_INCLUDES) return distinct;
  const sentence = `The include parameter takes at most ${MAX_INCLUDES} related records.`;
  throw fieldError("validation_error", "include", sentence);
}
