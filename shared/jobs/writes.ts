const MAX_WRITES = 2;

/**
 * The writes that are under way. The second waits in the database until the first has committed, which locks the job;
 * so the database never waits for us, and what follows a batch that failed finds the job elsewhere and does nothing.
 */
export class Writes<Outcome extends string> {
  private readonly underWay: Promise<Outcome | "lost">[] = [];

  /** Starts a write once there is room for it; false when one before it was lost. */
  async add(start: () => Promise<Outcome | "lost">): Promise<boolean> {
    if (this.underWay.length >= MAX_WRITES && !(await this.firstDone())) return false;
    const write = start();
    write.catch(() => {}); // Whoever waits for it gets the error.
    this.underWay.push(write);
    return true;
  }

  /** Whether all have been done. @throws what the first of them did that failed */
  async allDone(): Promise<boolean> {
    while (this.underWay.length > 0) if (!(await this.firstDone())) return false;
    return true;
  }

  /** When none is under way any more, however they ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.underWay);
  }

  private async firstDone(): Promise<boolean> {
    return (await this.underWay.shift()) !== "lost";
  }
}
