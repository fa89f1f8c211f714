import { mkdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes the data folder ours alone until the process ends or the answer is called. The system drops
 * such a lock with the process, so none is ever stale.
 * @throws when another stack runs on it, or the folder can't be written
 */
export async function lockDataDir(dataDir: string): Promise<() => void> {
  let file: Deno.FsFile;
  try {
    mkdirSync(dataDir, { recursive: true });
    file = await Deno.open(join(dataDir, "lock"), { create: true, read: true, write: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied) && (error as { code?: string }).code !== "EACCES") throw error;
    throw new Error(
      `${dataDir} belongs to another user. Start as that user, have it run npm run reset, or take another folder: npm start -- --data-dir DIR`,
    );
  }
  if (!(await file.tryLock(true))) {
    const pid = new TextDecoder().decode(await new Response(file.readable).bytes());
    throw new Error(
      `A stack runs on ${dataDir} already (process ${pid}). Stop it first, or take another folder and other ports: npm start -- --data-dir DIR --free-ports`,
    );
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(String(Deno.pid)));
  return () => file.close();
}
