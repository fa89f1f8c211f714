import { z } from "zod";
import { MAX_COMPARISONS, MAX_INCLUDES, MAX_LIMIT, MAX_QUOTED } from "../bounds.ts";
import { type ApiError, fieldError } from "../errors.ts";
import { type Resource, withDeleted } from "../resources/define.ts";
import { namesIn } from "../resources/plain_text.ts";
import { list, oneOf } from "../resources/schemas.ts";
import { type Condition, filterableFields, parseFilterTree, parseSearch, parseUrlFilter } from "./filter.ts";
import { PLAIN_CONTEXT, type QueryContext } from "./query_context.ts";
import { parseSort, type SortKey } from "./sort.ts";
import { unknownName } from "./suggest.ts";

/** A list as it was asked for, from the URL or from a search body; every name and value is checked. */
export interface ListQuery {
  where: Condition[];
  sort: SortKey[];
  limit: number;
  cursor: string | undefined;
  /** Fields to show; undefined shows all. */
  fields: string[] | undefined;
  include: string[];
  /** False leaves the total out. */
  total: boolean;
  /** What was deleted in the last 90 days: alone, or with what lives. */
  deleted?: "only" | "include";
}

const DEFAULT_LIMIT = 25;
const LIST_PARAMETERS = ["limit", "cursor", "sort", "search", "fields", "include", "total", "deleted"];

/** `GET /v1/<resource>?…`: reserved parameters and one filter per field. */
export function parseListUrl(
  resource: Resource,
  parameters: URLSearchParams,
  context: QueryContext = PLAIN_CONTEXT,
): ListQuery {
  const { where, given } = parseFilters(resource, parameters, LIST_PARAMETERS, context);
  return {
    where,
    sort: parseSort(resource, given.get("sort"), context),
    limit: parseLimit(given.get("limit")),
    cursor: given.get("cursor"),
    fields: parseFields(resource, namesGiven(given, "fields")),
    include: parseInclude(resource, namesGiven(given, "include")),
    total: parseFlag("total", given.get("total"), true),
    ...parseDeleted(resource, given.get("deleted")),
  };
}

/** The resource that a query is about: as it lives, or with what was deleted. */
export function asked(resource: Resource, deleted: unknown): Resource {
  if (deleted === undefined || deleted === null) return resource;
  requireKept(resource);
  return withDeleted(resource);
}

function requireKept(resource: Resource): void {
  if (!resource.operations.includes("restore"))
    throw invalid("deleted", `The ${resource.plural} keep nothing that was deleted.`);
}

function parseDeleted(resource: Resource, raw: string | undefined): Pick<ListQuery, "deleted"> {
  if (raw === undefined) return {};
  requireKept(resource);
  if (raw === "only" || raw === "include") return { deleted: raw };
  throw invalid("deleted", "The deleted parameter must be only or include.");
}

function parseFlag(name: string, raw: string | undefined, otherwise: boolean): boolean {
  if (raw === undefined) return otherwise;
  if (raw === "true" || raw === "false") return raw === "true";
  throw invalid(name, `The ${name} parameter must be true or false.`);
}

/** The filters of a URL, the search among them, and its other parameters, which must be among `reserved`. */
export function parseFilters(
  resource: Resource,
  parameters: URLSearchParams,
  reserved: readonly string[],
  context: QueryContext,
): { where: Condition[]; given: Map<string, string> } {
  const given = singleValues(parameters);
  const where: Condition[] = [];
  if (given.size > MAX_COMPARISONS + reserved.length)
    throw invalid("query", `The query may not have more than ${MAX_COMPARISONS} filters.`);
  const allowed = isSearchable(resource) ? reserved : reserved.filter((name) => name !== "search");
  const filterable = filterableFields(resource, context);
  for (const [parameter, raw] of given) {
    if (allowed.includes(parameter)) continue;
    const [, name = parameter, operator] = /^([a-z0-9_.]+)\[([^[\]]*)\]$/i.exec(parameter) ?? [];
    if (!filterable.includes(name)) throw unknownParameter(parameter, [...allowed, ...filterable]);
    where.push(parseUrlFilter(resource, context, { name, operator, raw }));
  }
  const search = given.get("search");
  if (search !== undefined) where.push(parseSearch(resource, search, context));
  return { where, given };
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
  resource: Resource,
  body: z.infer<typeof searchBody>,
  context: QueryContext = PLAIN_CONTEXT,
): ListQuery {
  const where: Condition[] = [];
  if (body.filter !== undefined && body.filter !== null) where.push(parseFilterTree(resource, body.filter, context));
  if (body.search !== undefined && !isSearchable(resource))
    throw invalid("search", `The ${resource.plural} can't be searched. Use filters.`);
  if (body.search !== undefined) where.push(parseSearch(resource, body.search, context));
  return {
    where,
    sort: parseSort(resource, body.sort, context),
    limit: parseLimit(body.limit === undefined ? undefined : String(body.limit)),
    cursor: body.cursor ?? undefined,
    fields: parseFields(resource, body.fields),
    include: parseInclude(resource, body.include),
    total: body.total ?? true,
    ...(body.deleted !== undefined && { deleted: body.deleted }),
  };
}

/** The parameters of a single read: `fields` and `include`. */
export function parseReadUrl(resource: Resource, parameters: URLSearchParams): Pick<ListQuery, "fields" | "include"> {
  const given = allowOnly(parameters, ["fields", "include"]);
  return {
    fields: parseFields(resource, namesGiven(given, "fields")),
    include: parseInclude(resource, namesGiven(given, "include")),
  };
}

function namesGiven(given: Map<string, string>, name: string): string[] | undefined {
  const raw = given.get(name);
  return raw === undefined ? undefined : namesIn(raw);
}

/** Whether it has words to be found by. */
function isSearchable(resource: Resource): boolean {
  return Object.values(resource.fields).some((field) => field.searched);
}

/** The parameters of a path that takes only these. @throws ApiError `unknown_parameter` */
export function allowOnly(parameters: URLSearchParams, allowed: readonly string[]): Map<string, string> {
  const given = singleValues(parameters);
  for (const name of given.keys()) {
    if (!allowed.includes(name)) throw unknownParameter(name, allowed);
  }
  return given;
}

function singleValues(parameters: URLSearchParams): Map<string, string> {
  const given = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (given.has(name)) throw invalid(name, repeated(name));
    if (value.includes("\0") || !value.isWellFormed())
      throw invalid(name, `The ${name} parameter has a character that is not allowed.`);
    given.set(name, value);
  }
  return given;
}

function repeated(name: string): string {
  const takesOne = !/^[\w.]+(\[(in|nin)\])?$/.test(name) || LIST_PARAMETERS.includes(name);
  return takesOne
    ? `The ${name.slice(0, MAX_QUOTED)} parameter is given more than once, and takes one value.`
    : `The ${name.slice(0, MAX_QUOTED)} parameter is given more than once. Separate several values by commas.`;
}

/** `limit`, 1 to 100. @throws ApiError `validation_error` */
export function parseLimit(raw: string | undefined): number {
  if (raw === undefined) return DEFAULT_LIMIT;
  const limit = /^\d{1,3}$/.test(raw) ? Number(raw) : 0;
  if (limit < 1 || limit > MAX_LIMIT)
    throw invalid("limit", `The limit parameter must be a whole number from 1 to ${MAX_LIMIT}.`);
  return limit;
}

function parseFields(resource: Resource, names: string[] | undefined): string[] | undefined {
  if (names === undefined) return undefined;
  const unknown = names.find((name) => !Object.hasOwn(resource.fields, name));
  if (unknown !== undefined) throw invalid("fields", unknownName("field", unknown, resource.names.all));
  return ["id", ...names.filter((name) => name !== "id")];
}

function parseInclude(resource: Resource, names: string[] = []): string[] {
  const unknown = names.find((name) => !Object.hasOwn(resource.include, name));
  if (unknown !== undefined)
    throw invalid("include", unknownName("related record", unknown, Object.keys(resource.include)));
  const distinct = [...new Set(names)];
  if (distinct.length > MAX_INCLUDES)
    throw invalid("include", `The include parameter takes at most ${MAX_INCLUDES} related records.`);
  return distinct;
}

function unknownParameter(name: string, allowed: readonly string[]): ApiError {
  const sentence = unknownName("parameter", name, allowed);
  return fieldError("unknown_parameter", { [name.slice(0, MAX_QUOTED)]: [sentence] });
}

function invalid(name: string, sentence: string): ApiError {
  return fieldError("validation_error", { [name]: [sentence] });
}
