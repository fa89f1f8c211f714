import type { Scope } from "../auth/principal.ts";
import type { AuthorizedExchange, Exchange, Reply } from "./exchange.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** What every route has. `scope` is not optional: access without a key is a word that someone typed. */
interface RouteBase {
  method: Method;
  /** Below the version, with `{name}` for a parameter: `/contacts/{id}`. */
  path: string;
  /** The SDK method it becomes: `contacts.list`. */
  operation: string;
  /** The largest JSON body it takes. Without it, a body is not read. */
  maxBodyBytes?: number;
  /** The member of the body whose entries are checked one by one: a bad one fails alone. */
  recordsIn?: "records" | "ids";
}

/** One line of the map of the API. */
export type Route = RouteBase &
  (
    | { scope: "public"; handler: (exchange: Exchange) => Reply | Promise<Reply> }
    | { scope: Exclude<Scope, "public">; handler: (exchange: AuthorizedExchange) => Reply | Promise<Reply> }
  );
