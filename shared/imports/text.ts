import type { Database } from "../db/database.ts";
import { type ImportJob, readImportText } from "./store.ts";

/** The part of an import's text that is in memory, from the first byte that is in no batch yet. */
export class ImportText {
  bytes: Uint8Array = new Uint8Array();
  position: number;

  constructor(
    private readonly database: Database,
    private readonly job: ImportJob,
  ) {
    this.position = job.bytesProcessed;
  }

  /** Whether the text ends where that part does. */
  get isEnd(): boolean {
    return this.position + this.bytes.length >= this.job.bytesTotal;
  }

  get isAtEnd(): boolean {
    return this.position >= this.job.bytesTotal;
  }

  /**
   * Has at least `length` bytes at hand, where the text has as many; false when it is gone. Fetched are twice as
   * many, so that it is not every time.
   */
  async fill(length: number): Promise<boolean> {
    if (this.bytes.length >= length || this.isEnd) return true;
    const { id, claims } = this.job;
    const from = this.position + this.bytes.length;
    const more = await readImportText(this.database, claims, { id, from, length: length * 2 - this.bytes.length });
    if (more.length === 0) return false;
    const joined = new Uint8Array(this.bytes.length + more.length);
    joined.set(this.bytes);
    joined.set(more, this.bytes.length);
    this.bytes = joined;
    return true;
  }

  consume(length: number): void {
    this.bytes = this.bytes.subarray(length);
    this.position += length;
  }
}
