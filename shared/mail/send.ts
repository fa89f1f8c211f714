import type { MailService } from "../config.ts";
import type { Claims, Database } from "../db/database.ts";
import type { Log } from "../http/log.ts";
import type { Slice } from "../jobs/slice.ts";
import { TEMPLATES, writeLetter } from "./letters.ts";
import { deliver } from "./service.ts";
import type { LinkSources } from "./text.ts";

export interface Sender {
  service: MailService;
  sources: LinkSources;
  log: Log;
}

const WORKER: Claims = { role: "crm_worker" };
/** How long a mail waits after each attempt. It is given up within a day, however long the service asks for: so long the service knows it by its id. */
const WAITS_SECONDS = [5, 30, 300, 1_800, 7_200, 14_400, 25_200, 25_200];
/** A service that asks for a longer rest is asked again all the same. */
const MAX_RETRY_AFTER_SECONDS = 3_600;

/** The mail that has been due longest, as a slice; undefined when none is. */
export async function claimMail(database: Database, { service, sources, log }: Sender): Promise<Slice | undefined> {
  const lease = crypto.randomUUID();
  const mail = await database.call("claim_mail", { lease, templates: TEMPLATES }, WORKER);
  if (mail === null) return undefined;
  const { id, template, recipient, details, attempts } = mail;
  const leased = { id, lease };

  async function run(): Promise<void> {
    const letter = writeLetter(template, details, sources);
    const delivery = await deliver(service, { id, to: recipient, ...letter });
    if (delivery.kind === "accepted") {
      await database.call("finish_mail", leased, WORKER);
      return;
    }
    const { kind, status = null } = delivery;
    const pause = kind === "refused" ? undefined : WAITS_SECONDS[attempts - 1];
    log(pause === undefined ? "error" : "warn", pause === undefined ? "mail_failed" : "mail_deferred", {
      mail_id: id,
      template,
      status,
      attempts,
    });
    if (pause === undefined) return fail({ status });
    const asked = kind === "deferred" ? (delivery.retryAfterSeconds ?? 0) : 0;
    await release({ wait: Math.max(pause, Math.min(asked, MAX_RETRY_AFTER_SECONDS)) });
  }

  async function release({ wait }: { wait: number }): Promise<void> {
    await database.call("release_mail", { ...leased, wait }, WORKER);
  }

  async function fail(error: unknown): Promise<void> {
    await database.call("fail_mail", { ...leased, error }, WORKER);
  }

  return { id, attempts, run, release, fail };
}
