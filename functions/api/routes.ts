import type { Route } from "../../shared/http/route.ts";
import { resources } from "../../shared/resources/all.ts";
import { health, me } from "./handlers/system.ts";
import { resourceRoutes } from "./resource_routes.ts";

/** The map: every path of the API, with the scope it needs. */
export const routes: readonly Route[] = [
  { method: "GET", path: "/health", scope: "public", operation: "health", handler: health },
  { method: "GET", path: "/me", scope: "any", operation: "me", handler: me },
  ...resources.flatMap(resourceRoutes),
];
