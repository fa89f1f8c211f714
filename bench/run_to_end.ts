import process from "node:process";

/** Has something done when the run ends, the latest first. */
export type AtEnd = (work: () => unknown) => void;

/** Does the work and then, however it ended, what it wanted done at its end; ends the process. */
export async function runToEnd(work: (atEnd: AtEnd) => Promise<void>): Promise<never> {
  const ends: Parameters<AtEnd>[0][] = [];
  let ending: Promise<never> | undefined;
  async function undo(code: number): Promise<never> {
    for (let last = ends.pop(); last !== undefined; last = ends.pop()) await last();
    process.exit(code);
  }
  // Once: what is interrupted fails too.
  const end = (code: number): Promise<never> => {
    ending ??= undo(code);
    return ending;
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(130));
  try {
    await work((later) => void ends.push(later));
  } catch (error) {
    console.error(error);
    return await end(1);
  }
  return await end(0);
}
