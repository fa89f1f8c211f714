import { routesOf } from "../../functions/api/routes.ts";
import type { Route } from "../../shared/http/route.ts";
import { resources } from "../../shared/resources/all.ts";
import { RIGHTS } from "../../shared/rights.ts";

/** The map of the version that is released. */
export const routes = routesOf({ resources });

/** Whether only people may ask for what a route is about, and keys at most for themselves. */
export const isForPeople = ({ scope }: Pick<Route, "scope">): boolean =>
  scope === "session" || Object.hasOwn(RIGHTS, scope.split(":")[0] ?? "");
