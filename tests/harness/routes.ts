import { routesOf } from "../../functions/api/routes.ts";
import { resources } from "../../shared/resources/all.ts";

/** The map of the version that is released. */
export const routes = routesOf({ resources });
