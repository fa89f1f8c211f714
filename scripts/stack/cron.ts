import postgres from "postgres";

/** The timer of the local stack. */
export interface Cron {
  stop(): void;
}

export interface CronOptions {
  functionUrl: string;
  databaseUrl: string;
  /** What the function knows the timer by. */
  secret: string;
}

const DRAIN_EVERY_MS = 2_000;
const PURGE_EVERY_MS = 300_000;

/** Does what pg_cron does in production: has the function drain its jobs, and deletes what has outlived its promise. */
export function startCron({ functionUrl, databaseUrl, secret }: CronOptions): Cron {
  const drain = setInterval(() => {
    const options = {
      method: "POST",
      headers: { "x-cron-secret": secret },
      signal: AbortSignal.timeout(DRAIN_EVERY_MS),
    };
    // The function may be starting again, or be told to be away by a test; the next turn comes.
    fetch(`${functionUrl}/internal/drain`, options)
      .then((response) => response.body?.cancel())
      .catch(() => {});
  }, DRAIN_EVERY_MS);
  const purge = setInterval(() => purgeAll(databaseUrl).catch(() => {}), PURGE_EVERY_MS);
  return {
    stop() {
      clearInterval(drain);
      clearInterval(purge);
    },
  };
}

async function purgeAll(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    await sql`call crm.purge_all()`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
