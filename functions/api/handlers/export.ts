import { Buffer } from "node:buffer";
import { type ExportFormat, exportedFields, exportPages } from "../../../shared/db/exports.ts";
import { ApiError, fieldError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { asked, parseFilters, parseListUrl } from "../../../shared/query/list_query.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { adviceFor, explainExpense } from "./page.ts";
import { confine, queryContext, requireScopes } from "./query_reach.ts";

const TYPES: Record<ExportFormat, string> = {
  csv: "text/csv; charset=utf-8",
  ndjson: "application/x-ndjson",
};

/**
 * `GET /v1/<resource>/export?format=csv|ndjson`: every record of a list, with its filters, search, sort and
 * fields. The first page is read before anything is answered, so that what is wrong is an error like any other.
 */
export function exportRecords(declared: Resource): (exchange: AuthorizedExchange) => Promise<Reply> {
  return async (exchange) => {
    const { services, principal, request, url } = exchange;
    const resource = asked(declared, url.searchParams.get("deleted"));
    const context = await queryContext(resource, exchange, url.searchParams.toString());
    const parameters = ["format", "sort", "search", "fields", "deleted"];
    const { where, given } = parseFilters(resource, url.searchParams, parameters, context);
    const format = readFormat(given.get("format"));
    const listed = new URLSearchParams([...given].filter(([name]) => ["sort", "fields", "deleted"].includes(name)));
    const query = await confine(resource, exchange, { ...parseListUrl(resource, listed, context), where });
    requireScopes(resource, exchange, [], query.where);

    const file = { name: `${resource.plural}.${format}`, type: TYPES[format] };
    if (request.method === "HEAD") return { file: { ...file, body: null } };
    const pages = exportPages(services.database, principal, resource, query, format);
    const first = await pages.next().catch((error) => {
      throw explainExpense(error, adviceFor({ ...query, total: false }));
    });
    const header =
      format === "csv" ? Buffer.from(`${exportedFields(resource, query).join(",")}\r\n`) : new Uint8Array();
    const lines = first.done ? [header] : [header, first.value];
    const onError = (error: unknown) =>
      services.log("error", "export_broken_off", {
        request_id: exchange.requestId,
        code: error instanceof ApiError ? error.code : "internal_error",
      });
    return { file: { ...file, body: streamOf(lines, pages, onError) } };
  };
}

/** Chunks as a stream that asks for the next one when its reader wants it; an error breaks it off. */
function streamOf(
  first: Uint8Array<ArrayBuffer>[],
  rest: AsyncGenerator<Uint8Array<ArrayBuffer>>,
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
        else if (value.length > 0) controller.enqueue(value);
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

function readFormat(raw = "csv"): ExportFormat {
  if (raw === "csv" || raw === "ndjson") return raw;
  throw fieldError("validation_error", { format: ["The format parameter must be csv or ndjson."] });
}
