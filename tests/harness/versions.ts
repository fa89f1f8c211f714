import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import { routesOf } from "../../functions/api/routes.ts";
import { type ApiVersion, VERSIONS } from "../../shared/http/versions.ts";
import { v2 } from "../fixtures/v2/v2.ts";
import { Client } from "./client.ts";
import { stack, startAnotherFunction } from "./stack.ts";

const [V1] = VERSIONS as [ApiVersion];

/** What of v2 the generic suites run over again: a resource with new names throughout, and its history. */
const AGAIN = ["contacts", "contacts_history"];

/** What generic suites run over: all of the version that is released, and some of the one that only tests have. */
export const versionCases = [
  { version: V1, resources: V1.resources, routes: routesOf(V1) },
  {
    version: v2,
    resources: v2.resources.filter(({ plural }) => AGAIN.includes(plural)),
    routes: routesOf(v2).filter(({ operation }) => AGAIN.includes(operation.split(".")[0] ?? "")),
  },
].map((one) => ({ ...one, name: one.version.name }));

/** The same, resource by resource. */
export const resourceCases = versionCases.flatMap(({ version, resources }) =>
  resources.map((resource) => ({
    name: version === V1 ? resource.plural : `${resource.plural} of ${version.name}`,
    resource,
    version,
  })),
);

let current = V1;
let elsewhere: Promise<string> | undefined;
let baseUrl: string | undefined;

/** A further function, which serves the version that only tests have beside the others, over the same records. */
export function serveAllVersions(): Promise<string> {
  const entry = fileURLToPath(new URL("../fixtures/v2/main.ts", import.meta.url));
  elsewhere ??= startAnotherFunction({}, entry).then((started) => started.baseUrl);
  return elsewhere;
}

/** Has a suite speak a version of the API: all keys that it makes, and all records. */
export function useVersion(version: ApiVersion): void {
  beforeAll(async () => {
    current = version;
    baseUrl = version === V1 ? undefined : await serveAllVersions();
  });
  afterAll(() => {
    current = V1;
    baseUrl = undefined;
  });
}

/** The version that the suite speaks. */
export function version(): ApiVersion {
  return current;
}

/** The API in the suite's version, as a key or nobody calls it. */
export function clientOf(key: string | null): Client {
  return new Client(baseUrl ?? stack().functionUrl, key, current);
}
