import { page } from "../../shared/http/answers.ts";
import { type Route, route } from "../../shared/http/route.ts";
import { event } from "../../shared/resources/events.ts";
import { eventMeta, eventQuery, listEvents } from "./handlers/events.ts";

/** What has happened (platform.md §14). */
export const eventRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/events",
    scope: "webhooks:read",
    operation: "events.list",
    query: eventQuery,
    body: null,
    takes: [],
    answers: { 200: page(event, eventMeta) },
    headers: ["Link", "X-Event-Position"],
    errors: ["invalid_cursor", "events_expired"],
    handler: listEvents,
  }),
];
