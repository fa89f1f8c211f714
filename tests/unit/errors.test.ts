import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ApiError, ERRORS, fieldError } from "../../shared/errors.ts";
import { resources } from "../../shared/resources/all.ts";

test("each code is what some test of the whole API expects", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const suites = ["contract", "resilience"].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name)),
  );
  const text = suites.map((file) => readFileSync(file, "utf8")).join("\n");
  // Each resource's duplicates are expected by every_resource.test.ts, by the code that is declared.
  const declared = resources.flatMap(({ fields }) => Object.values(fields).flatMap(({ unique }) => unique ?? []));
  const untested = Object.keys(ERRORS).filter(
    (code) => !text.includes(`"${code}"`) && !declared.some((known) => known === code),
  );
  expect(untested).toEqual([]);
});

test("an error's status and sentence come from the table, its cause is never its message", () => {
  const error = new ApiError("service_unavailable", { cause: new Error("host db.internal refused") });
  expect({ status: error.status, message: error.message }).toEqual({
    status: 503,
    message: ERRORS.service_unavailable[1],
  });
});

test("what is wrong at one place is the message and the details of it", () => {
  const { message, details } = fieldError("validation_error", "email", "The email field is required.");
  expect({ message, details }).toEqual({ message: "The email field is required.", details: { email: [message] } });
});
