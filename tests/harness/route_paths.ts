import type { Route } from "../../shared/http/route.ts";
import { resources } from "../../shared/resources/all.ts";
import type { Resource } from "../../shared/resources/define.ts";
import { webhookDeliveries } from "../../shared/resources/webhook_deliveries.ts";

/** The resource that a route is about, undefined for those that are about none. */
export function resourceOfRoute({ operation }: Pick<Route, "operation">): Resource | undefined {
  const [plural = ""] = operation.split(".");
  return [...resources, webhookDeliveries].find((resource) => resource.plural === plural);
}

/** The parameters of a route's path, each with the resource whose id it takes where that is known. */
export function pathParameters(route: Pick<Route, "path" | "operation">): [name: string, plural: string | undefined][] {
  const own = resourceOfRoute(route);
  const named = new Map<string, string>(own && [["id", own.plural]]);
  for (let one = own; one?.parent !== undefined; one = one.parent.resource())
    named.set(one.parent.field, one.parent.resource().plural);
  return [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => [name, named.get(name)]);
}
