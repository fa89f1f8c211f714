import { renameSync, writeFileSync } from "node:fs";

/** Writes a file that only we may read. Renamed when complete: a reader never sees half of one. */
export function writePrivate(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
