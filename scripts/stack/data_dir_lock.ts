import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes the data folder ours alone until the process ends or the answer is called. The system drops
 * such a lock with the process, so none is ever stale.
 * @throws when another stack runs on it, or the folder can't be written
 */
export async function lockDataDir(dataDir: string): Promise<() => void> {
  const path = join(dataDir, "lock");
  let file: Deno.FsFile;
  for (;;) {
    file = await openLock(dataDir, path);
    if (!(await file.tryLock(true))) {
      const pid = new TextDecoder().decode(await new Response(file.readable).bytes());
      throw new Error(
        `A stack runs on ${dataDir} already (process ${pid}). Stop it first, or take another folder and other ports: npm start -- --data-dir DIR --free-ports`,
      );
    }
    // Between the two lines above a stack may have stopped and taken its file with it: that one locks nobody out.
    if (await isStillAt(path, file)) break;
    file.close();
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(String(Deno.pid)));
  return () => {
    rmSync(path, { force: true });
    file.close();
    removeWhenEmpty(dataDir);
  };
}

async function openLock(dataDir: string, path: string): Promise<Deno.FsFile> {
  try {
    mkdirSync(dataDir, { recursive: true });
    return await Deno.open(path, { create: true, read: true, write: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied) && (error as { code?: string }).code !== "EACCES") throw error;
    throw new Error(
      `${dataDir} belongs to another user. Start as that user, have it run npm run reset, or take another folder: npm start -- --data-dir DIR`,
    );
  }
}

async function isStillAt(path: string, file: Deno.FsFile): Promise<boolean> {
  const [locked, named] = await Promise.all([file.stat(), Deno.stat(path).catch(() => undefined)]);
  return named !== undefined && named.ino === locked.ino && named.dev === locked.dev;
}

// A start that failed at once leaves no trace of itself.
function removeWhenEmpty(dataDir: string): void {
  try {
    rmdirSync(dataDir);
  } catch {
    // It has data, or is gone.
  }
}
