import { type HttpProxy, startHttpProxy } from "./http_proxy.ts";

export interface CountingProxy extends HttpProxy {
  /** Method and path of each request that has passed, oldest first. */
  requests: string[];
}

/** Passes HTTP requests on to `target` and notes each, so that a test can say what an answer costs. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const requests: string[] = [];
  const proxy = await startHttpProxy(target, {
    onRequest: (method, path) => void requests.push(`${method} ${path.replace(/\?.*/, "")}`),
  });
  return { ...proxy, requests };
}
