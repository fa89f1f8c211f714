import { granted, isGranted, type Principal, type Scope } from "../auth/principal.ts";
import { ApiError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";
import { mayAccess, roleFor } from "../rights.ts";

/** Checks the scope that the route's line of the map names. */
export function authorize(exchange: Exchange): void {
  const { route } = exchange;
  if (route === undefined || route.scope === "public") return;
  if (route.scope !== "session") requireScope(exchange, route.scope);
  else if (exchange.session === undefined) throw new ApiError("user_required");
}

/**
 * Notes that the request needs a scope.
 * @throws ApiError `insufficient_scope` with what is needed and what was granted; `user_required` to a key and
 * `insufficient_role` to a user where roles decide
 */
export function requireScope(exchange: Exchange, scope: Scope): void {
  const { principal } = exchange;
  if (principal !== undefined && isGranted(principal, scope)) exchange.used.add(scope);
  else throw principal === undefined ? new ApiError("insufficient_scope") : refusal(principal, scope);
}

function refusal(principal: Principal, scope: Scope): ApiError {
  const [area = "", access = "read"] = scope.split(":") as [string, "read" | "write"];
  if (principal.kind === "user")
    return new ApiError("insufficient_role", {
      details: { required_role: roleFor(area, access), role: principal.role },
    });
  if (mayAccess("key", area, access) === false) return new ApiError("user_required");
  return new ApiError("insufficient_scope", {
    message: `The API key does not have the scope ${scope}.`,
    details: { required_scope: scope, granted: granted(principal) },
  });
}
