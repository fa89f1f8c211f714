import { expect } from "vitest";
import type { Client } from "./client.ts";

/** An import as the API shows it. */
export type ImportRow = Record<string, unknown> & { id: string; status: string };

const POLL_MS = 50;

/** Makes an import and waits until it has ended. */
export async function runImport(client: Client, body: Record<string, unknown>): Promise<ImportRow> {
  const made = await client.post("/imports", body);
  expect(made.status, JSON.stringify(made.body)).toBe(202);
  return await endOf(client, made.data.id);
}

/** An import once it has ended. */
export async function endOf(client: Client, id: string, timeoutMs = 150_000): Promise<ImportRow> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { data } = await client.get(`/imports/${id}`);
    if (["completed", "failed", "cancelled"].includes(data.status)) return data;
    if (Date.now() > deadline) throw new Error(`The import has not ended: ${JSON.stringify(data)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** What became of an import's rows: all, or those of a status. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into them.
export async function rowsOf(client: Client, id: string, status?: string): Promise<any[]> {
  return await client.all(`/imports/${id}/rows?limit=100${status === undefined ? "" : `&status=${status}`}`);
}
