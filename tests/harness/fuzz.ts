import { createHash } from "node:crypto";
import { Agent, request as httpRequest } from "node:http";
import fc from "fast-check";
import { MAX_BULK_VIOLATIONS, MAX_VIOLATIONS } from "../../shared/bounds.ts";
import { ERRORS, isErrorCode } from "../../shared/errors.ts";
import { resources } from "../../shared/resources/all.ts";
import { checkAnswer } from "./client.ts";
import { type FuzzRequest, prepareFuzz, requestsTo } from "./fuzz_requests.ts";
import { Records } from "./records.ts";
import { isForPeople, routes } from "./routes.ts";
import { stack } from "./stack.ts";
import { sessionToken } from "./tokens.ts";
import { createWorkspace } from "./workspace.ts";

const PARALLEL = 25;
const MAX_ERROR_BYTES = 100_000;
const MAX_BULK_ERROR_BYTES = 1024 * 1024;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** What only the inside says. */
const INSIDE = /\bat \S+\.ts:\d+|SQLSTATE|PGRST\d|\bcrm\.\w+|\bapi\.\w+\(|pg_catalog|violates|deno:|node_modules/;

export interface FuzzOptions {
  seed: number;
  /** Number of the first request. */
  from?: number;
  requests: number;
  progress?: (line: string) => void;
}

export interface Fault {
  /** Its number: `--seed … --from …` begins with it. */
  number: number;
  what: string;
  request: string;
  answer: string;
}

interface FuzzAnswer {
  status: number;
  headers: Headers;
  text: string;
}

/** Sends seeded requests to every route, as one workspace beside another, and answers what broke the contract. */
export async function fuzz({ seed, from = 0, requests, progress = () => {} }: FuzzOptions): Promise<{
  faults: Fault[];
  statuses: Map<number, number>;
}> {
  const workspace = await createWorkspace();
  const mine = new Records(workspace);
  const session = await sessionToken(workspace.userId);
  const theirs = new Records(await createWorkspace());
  const known = await prepareFuzz(mine);
  const foreign = [...(await prepareFuzz(theirs)).values()].flatMap(({ ids }) => ids);
  const before = await stateOf(theirs);
  // A key that revokes itself ends what is behind it.
  const kinds = routes
    .filter(({ operation }) => operation !== "api_keys.revokeCurrent")
    .map((route) => ({
      requests: requestsTo(route, known, foreign),
      credential: isForPeople(route) ? session : workspace.key,
    }));
  const secrets = new Set(foreign);
  const faults: Fault[] = [];
  const statuses = new Map<number, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });
  const end = from + requests;
  let next = from;
  let told = performance.now();
  const kindsTold = new Set<string>();

  const run = async () => {
    while (next < end) {
      const number = next++;
      const kind = kinds[number % kinds.length];
      const [one] = kind === undefined ? [] : fc.sample(kind.requests, { seed: mixed(seed, number), numRuns: 1 });
      if (kind === undefined || one === undefined) continue;
      const answer = await send(one, kind.credential, number, agent);
      if (answer === undefined) continue;
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      for (const what of faultsOf(one, answer, secrets)) {
        const fault = { number, what, request: shown(one), answer: `${answer.status} ${answer.text.slice(0, 600)}` };
        faults.push(fault);
        if (!kindsTold.has(what)) progress(JSON.stringify(fault, null, 1));
        kindsTold.add(what);
      }
      if (performance.now() - told > 2000) {
        told = performance.now();
        progress(`${number - from + 1} of ${requests}, ${faults.length} faults, statuses ${shownCounts(statuses)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, run));
  agent.destroy();
  if ((await stateOf(theirs)) !== before)
    faults.push({ number: end, what: "the other workspace was changed", request: "", answer: "" });
  progress(`${requests} requests, ${faults.length} faults, statuses ${shownCounts(statuses)}`);
  return { faults, statuses };
}

/** What an answer breaks, each in a few words. */
function faultsOf(request: FuzzRequest, { status, headers, text }: FuzzAnswer, secrets: Set<string>): string[] {
  const faults: string[] = [];
  if (status >= 500) faults.push(`${status}`);
  const asked = `${request.path} ${JSON.stringify(request.headers)} ${request.body ?? ""}`.toLowerCase();
  const leaked = [...text.matchAll(UUID)].map(([id]) => id).find((id) => secrets.has(id) && !asked.includes(id));
  if (leaked !== undefined) faults.push("shows a record of another workspace");
  const [place = ""] = request.path.split("?");
  if (status < 300 && request.method !== "OPTIONS" && place.split("/").some((part) => secrets.has(part)))
    faults.push("answers for a record of another workspace");
  // biome-ignore lint/suspicious/noExplicitAny: an answer of any shape is looked into.
  let body: any = null;
  try {
    if (text !== "" && !headers.has("content-disposition")) body = JSON.parse(text);
    checkAnswer({ status, headers, body }, request.method);
  } catch (error) {
    faults.push(`not as every answer is: ${String(error).slice(0, 300)}`);
    return faults;
  }
  if (status >= 400 && body !== null) faults.push(...faultsOfError(status, body.error, text));
  if (status === 405 && !headers.has("allow")) faults.push("405 without Allow");
  if (body?.meta?.has_more !== undefined) {
    const { has_more, next_cursor } = body.meta;
    if (has_more !== (next_cursor !== null)) faults.push("has_more is not whether there is a next_cursor");
    if (has_more && body.data.length === 0) faults.push("an empty page with more after it");
    if (has_more !== /rel="next"/.test(headers.get("link") ?? "") && request.method === "GET")
      faults.push("has_more is not whether there is a Link to the next page");
  }
  if (status === 207) {
    for (const { success, error } of body.data) {
      if (success) continue;
      if (!isErrorCode(error.code) || ERRORS[error.code as keyof typeof ERRORS][0] >= 500)
        faults.push(`an entry fails with ${error.code}`);
      if (INSIDE.test(error.message)) faults.push("an entry tells the inside");
    }
  }
  return faults;
}

function faultsOfError(
  status: number,
  { code, message, details }: { code: string; message: string; details: Record<string, unknown> },
  text: string,
): string[] {
  const faults: string[] = [];
  if (!isErrorCode(code)) return [`the code ${code} is none of ours`];
  if (ERRORS[code][0] !== status) faults.push(`${code} with ${status}`);
  if (INSIDE.test(message)) faults.push("a message tells the inside");
  if (message === "" || message.length > 2000) faults.push(`a message of ${message.length} characters`);
  const isBulk = Array.isArray(details["results"]);
  if (text.length > (isBulk ? MAX_BULK_ERROR_BYTES : MAX_ERROR_BYTES)) faults.push(`an error of ${text.length} bytes`);
  const told = Object.values(details).flatMap((one) => (Array.isArray(one) ? one : [])).length;
  if (code === "validation_error" && told > (isBulk ? MAX_BULK_VIOLATIONS : MAX_VIOLATIONS))
    faults.push(`${told} violations at once`);
  return faults;
}

/** Sends one request. Undefined where it can't be sent, or the server's HTTP parser hung up. */
function send(one: FuzzRequest, credential: string, number: number, agent: Agent): Promise<FuzzAnswer | undefined> {
  const { method, path, headers, body } = one;
  const { hostname, port, pathname } = new URL(stack().functionUrl);
  return new Promise((resolve) => {
    try {
      const outgoing = httpRequest(
        {
          ...{ agent, hostname, port, method, path: pathname + path },
          headers: {
            authorization: `Bearer ${credential}`,
            "content-type": "application/json",
            // Requests without a good key are limited by address, which would end the fuzzing of what is behind.
            "x-forwarded-for": `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
            // Node gives DELETE no length, so its body would be taken for the next request.
            ...(body !== undefined && { "content-length": String(body.length) }),
            ...headers,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk) => chunks.push(chunk));
          incoming.on("error", () => resolve(undefined));
          incoming.on("end", () => {
            const pairs = Object.entries(incoming.headers).map(
              ([name, value]) => [name, String(value)] as [string, string],
            );
            resolve({
              status: incoming.statusCode ?? 0,
              headers: new Headers(pairs),
              text: Buffer.concat(chunks).toString(),
            });
          });
        },
      );
      outgoing.on("error", () => resolve(undefined));
      outgoing.end(body);
    } catch {
      resolve(undefined); // Node refuses the path or a header.
    }
  });
}

/** All that the lists of a workspace show, as one hash. */
async function stateOf(records: Records): Promise<string> {
  const hash = createHash("sha256");
  for (const resource of resources) {
    if (!resource.operations.includes("list")) continue;
    hash.update(JSON.stringify(await records.client.all(`${await records.path(resource)}?limit=100`)));
  }
  return hash.digest("hex");
}

/** A seed for one request: neighbours have nothing in common. */
function mixed(seed: number, number: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(number + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

function shown({ method, path, headers, body }: FuzzRequest): string {
  return `${method} ${path} ${JSON.stringify(headers)} ${body?.toString().slice(0, 1000) ?? ""}`;
}

function shownCounts(statuses: Map<number, number>): string {
  return [...statuses]
    .sort(([a], [b]) => a - b)
    .map(([status, count]) => `${status}: ${count}`)
    .join(", ");
}
