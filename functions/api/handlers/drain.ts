import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "../../../shared/errors.ts";
import type { Exchange } from "../../../shared/http/exchange.ts";
import { success } from "../../../shared/http/respond.ts";
import { run } from "../../../shared/middleware/pipeline.ts";

/**
 * `POST /internal/drain`: has the jobs of all workspaces carried on, after the answer. For the timer and for
 * an invocation that has reached its limits; to anybody else there is no such path.
 */
export function drainJobs(exchange: Exchange): Response | Promise<Response> {
  const { services, request } = exchange;
  const given = request.headers.get("x-cron-secret") ?? "";
  if (!timingSafeEqual(digest(given), digest(services.config.cronSecret))) {
    return run(exchange, new ApiError("not_found", { message: "No such path. Verify the URL." }));
  }
  services.worker.wake();
  return success(exchange, { status: 202, data: { draining: true } });
}

// Of one length, and with no prefix in common unless they are the same.
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
