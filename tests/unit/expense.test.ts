import { expect, test } from "vitest";
import { adviceFor, explainExpense } from "../../functions/api/handlers/page.ts";
import { ApiError } from "../../shared/errors.ts";
import { parseListUrl } from "../../shared/query/list_query.ts";
import { contacts } from "../../shared/resources/contacts.ts";

const refused = new ApiError("query_too_expensive", { details: { reason: "estimated" } });

test.each([
  [
    "search=e&sort=score,last_name,created_at",
    ["Search for longer", "Add a filter", "Sort by one", "Leave the total out"],
  ],
  ["score[gte]=1&total=false", ["Add a filter that fewer records satisfy"]],
])("a list that is refused for its price says what would make it cheaper: %s", (query, advice) => {
  const told = explainExpense(refused, adviceFor(parseListUrl(contacts, new URLSearchParams(query)))) as ApiError;
  expect({ status: told.status, code: told.code, reason: told.details["reason"] }).toEqual({
    status: 422,
    code: "query_too_expensive",
    reason: "estimated",
  });
  expect(told.details["advice"]).toEqual(advice.map((beginning) => expect.stringContaining(beginning)));
  expect(told.message).toContain(advice[0]);
});

test("another error stays what it is", () => {
  const error = new ApiError("not_found");
  expect(explainExpense(error, ["Ask for less."])).toBe(error);
});
