import type { z } from "zod";
import type { Handler } from "../../../shared/http/route.ts";
import { sandboxes } from "../../../shared/resources/sandboxes.ts";
import { act, changed, created, ended, type Options } from "./acts.ts";
import { recordId } from "./addressed.ts";

/** `POST /v1/sandboxes` */
export const createSandbox: Handler<Options, z.infer<typeof sandboxes.create>> = async (exchange, given) =>
  created(exchange, sandboxes, await act(exchange, given, "create_sandbox", given.body), given.query);

/** `POST /v1/sandboxes/{id}/reset`: back to what it started from. */
export const resetSandbox: Handler<Options> = async (exchange, given) =>
  changed(exchange, sandboxes, await act(exchange, given, "reset_sandbox", { id: recordId(exchange) }), given.query);

/** `DELETE /v1/sandboxes/{id}`: nobody gets in any more; what it holds goes. */
export const deleteSandbox: Handler<Options> = async (exchange, given) =>
  ended(exchange, await act(exchange, given, "delete_sandbox", { id: recordId(exchange) }), given.query);
