import { Buffer } from "node:buffer";
import { type ExportFormat, type ExportPage, exportedFields, exportPages } from "../../../shared/db/exports.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { Handler } from "../../../shared/http/route.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import { confine } from "./addressed.ts";
import { adviceFor, explainExpense } from "./page.ts";

/** The content types of the formats. */
export const EXPORT_TYPES: Record<ExportFormat, string> = {
  csv: "text/csv; charset=utf-8",
  ndjson: "application/x-ndjson",
};

/**
 * `GET /v1/<resource>/export?format=csv|ndjson`: every record of a list, with its filters, search, sort and
 * fields. The first page is read before anything is answered, so that what is wrong is an error like any other.
 */
export const exportRecords: Handler<ListQuery & { format: ExportFormat }> = async (exchange, given) => {
  const { services, principal, request } = exchange;
  const { format, ...asked } = given.query;
  const query = await confine(exchange, asked);
  const file = { name: `${query.resource.plural}.${format}`, type: EXPORT_TYPES[format] };
  if (request.method === "HEAD") return { file: { ...file, body: null } };
  const pages = exportPages(services.database, principal, query, format);
  const first = await pages.next().catch((error) => {
    throw explainExpense(error, adviceFor({ ...query, total: false }));
  });
  const header = format === "csv" ? Buffer.from(`${exportedFields(query).join(",")}\r\n`) : new Uint8Array();
  if (first.done) throw new ApiError("internal_error", { cause: "an export without a page" });
  const { lines, eventPosition } = first.value;
  const onError = (error: unknown) =>
    services.log("error", "export_broken_off", {
      request_id: exchange.requestId,
      code: error instanceof ApiError ? error.code : "internal_error",
    });
  return {
    file: { ...file, body: streamOf([header, lines], pages, onError) },
    headers: { "X-Event-Position": String(eventPosition) },
  };
};

/** Chunks as a stream that asks for the next one when its reader wants it; an error breaks it off. */
function streamOf(
  first: Uint8Array<ArrayBuffer>[],
  rest: AsyncGenerator<ExportPage>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of first) if (chunk.length > 0) controller.enqueue(chunk);
    },
    async pull(controller) {
      try {
        const { done, value } = await rest.next();
        if (done) controller.close();
        else if (value.lines.length > 0) controller.enqueue(value.lines);
        else controller.close();
      } catch (error) {
        onError(error);
        controller.error(error);
      }
    },
    async cancel() {
      await rest.return(undefined);
    },
  });
}
