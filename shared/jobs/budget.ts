/** What is left of an invocation. Nobody else runs while rows are read, so the time that takes is CPU. */
export class Budget {
  private cpu = 0;
  private readonly startedAt = performance.now();

  constructor(
    private readonly cpuMs: number,
    private readonly wallMs: number,
  ) {}

  get isSpent(): boolean {
    return this.cpu >= this.cpuMs || performance.now() - this.startedAt >= this.wallMs;
  }

  measure<Result>(work: () => Result): Result {
    const startedAt = performance.now();
    try {
      return work();
    } finally {
      this.cpu += performance.now() - startedAt;
    }
  }
}
