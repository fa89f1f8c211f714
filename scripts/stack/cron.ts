/** The timer of the local stack. */
export interface Cron {
  stop(): void;
}

const EVERY_MS = 2_000;

/** Has the function drain its jobs every two seconds, as pg_cron and pg_net do in production. */
export function startCron({ functionUrl, secret }: { functionUrl: string; secret: string }): Cron {
  const timer = setInterval(() => {
    const options = { method: "POST", headers: { "x-cron-secret": secret }, signal: AbortSignal.timeout(EVERY_MS) };
    // The function may be starting again, or be told to be away by a test; the next turn comes.
    fetch(`${functionUrl}/internal/drain`, options)
      .then((response) => response.body?.cancel())
      .catch(() => {});
  }, EVERY_MS);
  return { stop: () => clearInterval(timer) };
}
