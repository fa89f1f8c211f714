import { type Act, type ActAnswer, doAct } from "../../../shared/db/acts.ts";
import { type AuthorizedExchange, contextOf, type Reply } from "../../../shared/http/exchange.ts";
import type { Given } from "../../../shared/http/route.ts";
import { entityTag } from "../../../shared/middleware/conditional.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { urlOf } from "./addressed.ts";
import { acceptedJob } from "./jobs.ts";
import { answerOf } from "./write.ts";

/** The options of an act in its query. */
export interface Options {
  dry_run: boolean;
}

/** Does an act for a request. @throws ApiError what the database refuses */
export async function act(
  exchange: AuthorizedExchange,
  given: Pick<Given<Options, unknown>, "query" | "idempotency">,
  name: string,
  values: Act["given"],
): Promise<ActAnswer> {
  const { services, principal } = exchange;
  const answer = await doAct(services.database, principal, {
    act: name,
    given: values,
    context: contextOf(exchange),
    dryRun: given.query.dry_run,
    idempotency: given.idempotency,
  });
  services.worker.dispatch();
  return answer;
}

/** The answer to an act that has made something: 201, and where it is. */
export function created(
  exchange: AuthorizedExchange,
  resource: Resource,
  answer: ActAnswer,
  { dry_run }: Options,
): Reply {
  const data = present(resource, answer.record);
  const headers: Record<string, string> = dry_run
    ? {}
    : { ...tagOf(data), Location: urlOf(exchange, `${resource.path}/${data["id"]}`) };
  return answerOf(answer, { status: 201, data, headers }, dry_run);
}

/** The answer to an act that has changed something; 202 where a job goes on with it. */
export function changed(exchange: AuthorizedExchange, resource: Resource, answer: ActAnswer, options: Options): Reply {
  const data = present(resource, answer.record);
  return doneOrGoingOn(exchange, answer, options, { data, headers: tagOf(data) });
}

/** The answer to an act that has ended something: what it was; 202 where a job goes on with it. */
export function ended(exchange: AuthorizedExchange, answer: ActAnswer, options: Options): Reply {
  return doneOrGoingOn(exchange, answer, options, { data: { id: answer.record["id"] } });
}

/** The ETag of what has versions. */
function tagOf(data: Record<string, unknown>): Record<string, string> {
  return data["version"] === undefined ? {} : { ETag: entityTag(data) };
}

function doneOrGoingOn(exchange: AuthorizedExchange, answer: ActAnswer, { dry_run }: Options, done: Reply): Reply {
  if (answer.job === null) return answerOf(answer, done, dry_run);
  exchange.services.worker.wake();
  return answerOf(answer, acceptedJob(exchange, answer.job), dry_run);
}
