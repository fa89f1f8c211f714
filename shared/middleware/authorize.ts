import { granted, isGranted, type Scope } from "../auth/principal.ts";
import { ApiError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";

/** Checks the scope that the route's line of the map names. */
export function authorize({ route, principal }: Exchange): void {
  if (route !== undefined && route.scope !== "public") requireScope(principal, route.scope);
}

/** @throws ApiError `insufficient_scope` with what is needed and what was granted. */
export function requireScope(principal: Exchange["principal"], scope: Scope): void {
  if (principal !== undefined && isGranted(principal, scope)) return;
  throw new ApiError("insufficient_scope", {
    message: `The API key does not have the scope ${scope}.`,
    details: { required_scope: scope, granted: principal === undefined ? null : granted(principal) },
  });
}
