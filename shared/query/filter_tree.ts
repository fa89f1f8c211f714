import { MAX_COMPARISONS, MAX_FILTER_DEPTH, MAX_FILTER_TREE } from "../bounds.ts";
import { invalid, type Leaf, OPERATORS, type Tree } from "./comparison.ts";
import { unknownName } from "./suggest.ts";

/** A kind of leaf beside comparisons: an object that has the one member. */
export interface OtherLeaf<Node> {
  member: string;
  parse(value: unknown, at: string): Node;
}

/** Reads a tree of `and`, `or` and `not`, to depth 5 and 50 leaves. @throws ApiError `invalid_filter` */
export function parseTree<Node>(tree: unknown, parseLeaf: (leaf: Leaf) => Node, other?: OtherLeaf<Node>): Tree<Node> {
  let leaves = 0;
  const others = other === undefined ? [] : [other.member];
  const parse = (node: unknown, at: string, depth: number): Tree<Node> => {
    if (depth > MAX_FILTER_DEPTH)
      throw invalid(at, `The filter may not be nested deeper than ${MAX_FILTER_DEPTH} levels.`);
    if (typeof node !== "object" || node === null || Array.isArray(node)) {
      throw invalid(
        at,
        `The ${at} must be an object with ${["and", "or", "not", ...others].join(", ")}, or field, op and value.`,
      );
    }
    const members = node as Record<string, unknown>;
    const [key] = Object.keys(members);
    if (Object.keys(members).length === 1 && (key === "and" || key === "or")) {
      const children = members[key];
      if (!Array.isArray(children) || children.length === 0)
        throw invalid(`${at}.${key}`, `The ${at}.${key} must be a list of at least one filter.`);
      const parsed = children.map((child, index) => parse(child, `${at}.${key}.${index}`, depth + 1));
      return key === "and" ? { and: parsed } : { or: parsed };
    }
    if (Object.keys(members).length === 1 && key === "not")
      return { not: parse(members["not"], `${at}.not`, depth + 1) };

    if (["and", "or", "not"].some((inner) => Object.hasOwn(members, inner))) {
      throw invalid(at, `The ${at} must have exactly one of and, or, not, and nothing beside it.`);
    }
    leaves += 1;
    if (leaves > MAX_COMPARISONS)
      throw invalid(at, `The filter may not have more than ${MAX_COMPARISONS} comparisons.`);
    if (other !== undefined && key === other.member && Object.keys(members).length === 1)
      return other.parse(members[key], `${at}.${key}`);
    return parseLeaf(leafOf(members, at, others));
  };
  const parsed = parse(tree, "filter", 1);
  // After folding, which makes eighteen letters of some.
  if (JSON.stringify(parsed).length > MAX_FILTER_TREE)
    throw invalid("filter", `The filter's values may not take more than ${MAX_FILTER_TREE / 1024} kB together.`);
  return parsed;
}

function leafOf(members: Record<string, unknown>, at: string, others: readonly string[]): Leaf {
  const extra = Object.keys(members).find((member) => !["field", "op", "value"].includes(member));
  if (extra !== undefined)
    throw invalid(
      `${at}.${extra}`,
      unknownName("member", extra, ["field", "op", "value", "and", "or", "not", ...others]),
    );
  const { field, op, value } = members;
  if (typeof field !== "string") throw invalid(`${at}.field`, `The ${at}.field must name a field.`);
  if (typeof op !== "string") throw invalid(`${at}.op`, `The ${at}.op must be one of: ${OPERATORS.join(", ")}.`);
  return { name: field, operator: op, value, at };
}
