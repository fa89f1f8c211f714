import { MAX_DELIVERIES_AT_ONCE } from "../bounds.ts";
import { type Claims, callWithRetry, type Database } from "../db/database.ts";
import type { ClaimedWebhook, Delivered, Settlement, WaitingDelivery } from "../db/webhooks.ts";
import type { Log } from "../http/log.ts";
import { type ApiVersion, DEFAULT_VERSION } from "../http/versions.ts";
import type { Budget } from "../jobs/budget.ts";
import type { Slice } from "../jobs/slice.ts";
import { presentEvent } from "../resources/events.ts";
import { bodyOf, type Ring } from "./body.ts";
import { type EventFilter, matches } from "./filter.ts";
import { ringAfter, waitAfter } from "./schedule.ts";
import { webhookSecret } from "./secret.ts";
import type { Outcome, Sender } from "./send.ts";
import { signatureHeaders } from "./signature.ts";

/** What a dispatcher works with. */
export interface Dispatcher {
  database: Database;
  sender: Sender;
  versions: readonly ApiVersion[];
  masterKey: string;
  log: Log;
  /** Has work looked for once so many milliseconds are over. */
  later: (ms: number) => void;
}

const WORKER: Claims = { role: "crm_worker" };
/** How often what became of deliveries is written down: a dispatcher that dies has sent no more than that twice. */
const SETTLE_EVERY_MS = 500;
/** How long deliveries of one endpoint are begun before it is another's turn. */
const TURN_MS = 10_000;
/** What is due so soon is seen to by us; the timer finds the rest. */
const MAX_LATER_SECONDS = 15;
/** How often a doorbell rings at most. */
const RING_EVERY_SECONDS = 1;
const GONE = 410;
/** Statuses that mean the endpoint as a whole when they come with `Retry-After`. */
const BUSY = [429, 503];

/** The next deliveries of the endpoint that has been due longest, as a slice; undefined when none is. */
export async function claimWebhook(dispatcher: Dispatcher, budget: Budget): Promise<Slice | undefined> {
  const { database, log } = dispatcher;
  const lease = crypto.randomUUID();
  const claimed = await callWithRetry(database, "claim_webhook", { lease }, WORKER);
  if (claimed === null) return undefined;
  const turn = new Turn(dispatcher, budget, lease, claimed);
  return {
    id: claimed.id,
    attempts: 1,
    run: () => (claimed.mode === "doorbell" && claimed.retries.length === 0 ? turn.ring() : turn.deliver()),
    release: ({ wait }) => turn.leave(wait),
    fail: async (error) => {
      log("error", "webhook_turn_failed", { webhook_id: claimed.id, error });
      await turn.leave(FAILED_TURN_SECONDS);
    },
  };
}

/** How long an endpoint rests that we could not serve for a reason of our own. */
const FAILED_TURN_SECONDS = 60;

/** A part of the feed: what of it is under way, in order, and how far all is done. */
class Walk {
  private readonly open: { position: number; isDone: boolean }[] = [];
  private reached: number;
  private isBegun: boolean;

  constructor(
    readonly items: readonly WaitingDelivery[],
    before: number,
    private readonly upto: number,
  ) {
    this.reached = before;
    this.isBegun = items.length === 0;
  }

  /** Notes that an item of it is begun with; call what it answers when it is done with. */
  begin(item: WaitingDelivery): () => void {
    const entry = { position: item.event?.position ?? 0, isDone: false };
    this.open.push(entry);
    if (item === this.items.at(-1)) this.isBegun = true;
    return () => {
      entry.isDone = true;
      while (this.open[0]?.isDone) this.reached = this.open.shift()?.position ?? this.reached;
    };
  }

  /** Up to where nothing is left to do. */
  get position(): number {
    return this.isOver ? this.upto : this.reached;
  }

  get isOver(): boolean {
    return this.isBegun && this.open.length === 0;
  }
}

/** One endpoint's turn with this dispatcher, which has its lease. */
class Turn {
  private failures: number;
  private concurrency: number;
  private isGone = false;
  private isLost = false;
  /** Whether it was sent a new event although it fails. */
  private hasProbed = false;
  /** Seconds for which it wants to be sent nothing. */
  private rest: number | null = null;
  private settled: Delivered[] = [];
  private settledAt = performance.now();
  private readonly live: Walk;
  private readonly bulk: Walk;
  private readonly replay: Walk;

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly budget: Budget,
    private readonly lease: string,
    private readonly webhook: ClaimedWebhook,
  ) {
    const { live, bulk, replay } = webhook;
    this.failures = webhook.failures;
    this.concurrency = webhook.concurrency;
    this.live = new Walk(live.items, webhook.cursor, live.upto);
    this.bulk = new Walk(bulk.items, webhook.bulk_cursor, bulk.upto);
    this.replay = new Walk(replay?.items ?? [], replay?.from ?? 0, replay?.upto ?? 0);
  }

  /** Sends what is due, oldest first and several at once, until it is done or fails too often. */
  async deliver(): Promise<void> {
    const startedAt = performance.now();
    const queue = [
      ...this.webhook.retries.map((item) => ({ item, done: () => {} })),
      ...this.walks.flatMap((walk) => walk.items.map((item) => ({ item, walk }))),
    ];
    const underWay = new Set<Promise<void>>();
    const begun = new Set<string>();
    const chains = new Map<string, Promise<boolean>>();
    // One that fails was given little, to see whether it answers again.
    const mayBegin = () =>
      !this.isLost &&
      !this.isGone &&
      (!this.isFailing || this.webhook.failures >= this.webhook.max_failures) &&
      !this.budget.isSpent &&
      performance.now() - startedAt < TURN_MS;

    while (queue.length > 0 && mayBegin()) {
      if (underWay.size >= this.concurrency) {
        await this.wait(underWay);
        continue;
      }
      const next = queue.shift();
      if (next === undefined) break;
      const { item } = next;
      const done = "walk" in next ? next.walk.begin(item) : next.done;
      // One that waits to be tried again may stand on the way too.
      const isSecond = begun.has(item.event_id);
      begun.add(item.event_id);
      if (isSecond) {
        done();
        continue;
      }
      const work = this.one(item, chains)
        .then(done)
        .finally(() => underWay.delete(work));
      underWay.add(work);
    }
    while (underWay.size > 0) await this.wait(underWay);
    await this.settle(true);
  }

  /** Waits for one of those that are under way, but no longer than what became of the others may go unnoted. */
  private async wait(underWay: ReadonlySet<Promise<void>>): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const pause = new Promise((resolve) => {
      timer = setTimeout(resolve, SETTLE_EVERY_MS);
    });
    await Promise.race([...underWay, pause]);
    clearTimeout(timer);
    await this.settle();
  }

  /** The parts of the feed whose events are sent one by one. */
  private get walks(): Walk[] {
    return this.webhook.mode === "doorbell" ? [] : [this.live, this.bulk, this.replay];
  }

  /** Whether it has failed so often in a row that it gets new events only now and then. */
  private get isFailing(): boolean {
    return this.failures >= this.webhook.max_failures;
  }

  /** Delivers an event, or notes that it has to wait for an earlier one of its record. */
  private async one(item: WaitingDelivery, chains: Map<string, Promise<boolean>>): Promise<void> {
    const { event } = item;
    if (event === null) {
      this.giveUp(item, "event_expired");
      return;
    }
    const body = this.bodyFor(item, event);
    if (body === undefined) return;
    if (this.webhook.ordering !== "record") {
      await this.attempt(item, body);
      return;
    }
    const before = item.is_blocked ? Promise.resolve(false) : (chains.get(event.record_id) ?? Promise.resolve(true));
    const made = before.then(async (isFree) => {
      if (isFree && !this.isLost) return await this.attempt(item, body);
      this.note(item, { state: "pending", tries: item.tries, wait: null, attempt: null });
      return false;
    });
    chains.set(event.record_id, made);
    await made;
  }

  /** What is sent of an event; undefined when its endpoint has not asked for it, or it can't be shown, which is noted. */
  private bodyFor(item: WaitingDelivery, event: NonNullable<WaitingDelivery["event"]>): string | undefined {
    const filter = this.webhook.matcher as EventFilter | null;
    try {
      return this.budget.measure(() => {
        const shown = presentEvent(event, this.version().resources);
        if (item.delivery_id === null && filter !== null && !matches(filter, shown)) return undefined;
        return bodyOf(this.webhook, shown);
      });
    } catch (error) {
      // It must not keep all others from being sent.
      this.dispatcher.log("error", "event_not_shown", {
        event_id: event.id,
        cause: error instanceof Error ? error.name : error,
      });
      this.giveUp(item, "internal_error");
      return undefined;
    }
  }

  /** Notes that an event can't be sent, whoever is asked to take it. */
  private giveUp(item: WaitingDelivery, error: string): void {
    const attempt = { at: new Date().toISOString(), status: null, duration_ms: 0, error, response: null };
    this.note(item, { state: "failed", tries: item.tries, wait: null, attempt });
  }

  /** Tries once, and answers whether nothing of it is left to do. */
  private async attempt(item: WaitingDelivery, body: string): Promise<boolean> {
    const at = new Date();
    const outcome = await this.send(item.event?.id ?? "", at, body);
    const attempt = told(at, outcome);
    if (this.webhook.failures >= this.webhook.max_failures && !this.webhook.retries.includes(item))
      this.hasProbed = true;
    if (this.count(outcome)) {
      this.note(item, { state: "succeeded", tries: item.tries + 1, wait: null, attempt });
      return true;
    }
    const tries = item.tries + 1;
    const wait = item.lane === "test" ? undefined : this.isGone ? 0 : waitAfter(tries, retryAfterOf(outcome));
    this.note(item, { state: wait === undefined ? "failed" : "pending", tries, wait: wait ?? null, attempt });
    return wait === undefined;
  }

  /** Tells a doorbell once that there is something, whatever it is, and rings again until it was heard. */
  async ring(): Promise<void> {
    const { live, cursor, newest } = this.webhook;
    const version = this.version();
    const filter = this.webhook.matcher as EventFilter | null;
    const isAnything = live.items.some(
      ({ event }) => event !== null && (filter === null || matches(filter, presentEvent(event, version.resources))),
    );
    if (!isAnything) return await this.finish({ cursor: live.upto, wait: null });
    const at = new Date();
    const ring: Ring = {
      // Of the first event that it tells of: the same until it is heard.
      id: live.items[0]?.event_id ?? crypto.randomUUID(),
      type: "events.available",
      from: cursor + 1,
      to: newest,
      occurred_at: at.toISOString(),
    };
    const outcome = await this.send(ring.id, at, JSON.stringify(ring));
    const isHeard = this.count(outcome);
    this.settled.push({
      event_id: ring.id,
      position: newest,
      type: ring.type,
      resource: null,
      record_id: null,
      lane: "live",
      state: isHeard ? "succeeded" : "failed",
      tries: 1,
      wait: null,
      attempt: told(at, outcome),
    });
    this.rest = isHeard ? RING_EVERY_SECONDS : ringAfter(this.failures, retryAfterOf(outcome));
    await this.finish({ cursor: isHeard ? newest : cursor, wait: null });
  }

  /** Gives the endpoint back, to be looked at again after so many seconds. */
  async leave(wait: number): Promise<void> {
    await this.finish({ cursor: this.live.position, wait });
  }

  private send(id: string, at: Date, body: string): Promise<Outcome> {
    const { webhook, dispatcher } = this;
    const headers = this.budget.measure(() =>
      signatureHeaders({
        id,
        at,
        body,
        secrets: webhook.secret_generations.map((generation) =>
          webhookSecret(dispatcher.masterKey, webhook.id, generation),
        ),
      }),
    );
    return dispatcher.sender.send(webhook.url, {
      headers: {
        "content-type": "application/json",
        "user-agent": "AutomateNexus-Webhooks/1.0",
        ...headers,
      },
      body,
    });
  }

  /** Counts an outcome for the endpoint as a whole, and answers whether it is a success. */
  private count(outcome: Outcome): boolean {
    if (outcome.kind === "answered" && outcome.status >= 200 && outcome.status < 300) {
      this.concurrency = this.isFailing ? 1 : Math.min(this.concurrency * 2, MAX_DELIVERIES_AT_ONCE);
      this.failures = 0;
      return true;
    }
    this.concurrency = Math.max(1, Math.floor(this.concurrency / 2));
    this.failures += 1;
    if (outcome.kind === "answered" && outcome.status === GONE) this.isGone = true;
    const isBusy =
      outcome.kind === "answered" && BUSY.includes(outcome.status) && outcome.retryAfterSeconds !== undefined;
    if (isBusy) {
      this.failures = Math.max(this.failures, this.webhook.max_failures);
      this.rest = Math.max(this.rest ?? 0, outcome.retryAfterSeconds ?? 0);
    }
    return false;
  }

  private note(item: WaitingDelivery, became: Pick<Delivered, "state" | "tries" | "wait" | "attempt">): void {
    const { event } = item;
    this.settled.push({
      event_id: event?.id ?? item.event_id,
      position: event?.position ?? null,
      type: event?.type ?? "",
      resource: event?.resource ?? null,
      record_id: event?.record_id ?? null,
      lane: item.lane,
      ...became,
    });
  }

  private async settle(isLast = false): Promise<void> {
    if (!isLast && performance.now() - this.settledAt < SETTLE_EVERY_MS) return;
    if (this.isLost) return;
    await this.write({
      cursor: this.live.position,
      bulk_cursor: this.bulk.position,
      ends: isLast,
      wait: null,
    });
  }

  private async finish({ cursor, wait }: { cursor: number; wait: number | null }): Promise<void> {
    await this.write({ cursor, bulk_cursor: this.bulk.position, ends: true, wait });
  }

  /** Writes down what became of deliveries since the last time; what can't be written is kept for the next. */
  private async write(how: Pick<Settlement, "cursor" | "bulk_cursor" | "ends" | "wait">): Promise<void> {
    const { id, replay } = this.webhook;
    const deliveries = this.settled.slice();
    const replayed = deliveries.filter(({ lane, attempt }) => lane === "replay" && attempt !== null).length;
    const settlement = {
      id,
      lease: this.lease,
      deliveries,
      ...how,
      replay: replay && {
        id: replay.id,
        upto: this.replay.position,
        done: replayed,
        ends: replay.ends && this.replay.isOver,
      },
      failures: this.failures,
      concurrency: this.concurrency,
      has_succeeded: deliveries.some(({ state }) => state === "succeeded"),
      probed: this.hasProbed,
      rest: this.rest,
      is_gone: this.isGone,
    };
    this.settledAt = performance.now();
    const { is_ours, due_in } = await callWithRetry(this.dispatcher.database, "settle_webhook", settlement, WORKER);
    // What has come meanwhile is for the next time.
    this.settled = this.settled.slice(deliveries.length);
    if (settlement.probed) this.hasProbed = false;
    if (this.rest === settlement.rest) this.rest = null;
    this.isLost ||= !is_ours;
    if (how.ends && due_in !== null && due_in > 0 && due_in <= MAX_LATER_SECONDS) this.dispatcher.later(due_in * 1000);
  }

  private version(): ApiVersion {
    const { versions } = this.dispatcher;
    const known = versions.find(({ name }) => name === this.webhook.api_version);
    return known ?? (versions.find(({ name }) => name === DEFAULT_VERSION) as ApiVersion);
  }
}

function retryAfterOf(outcome: Outcome): number | undefined {
  return outcome.kind === "answered" ? outcome.retryAfterSeconds : undefined;
}

/** An attempt as the log of deliveries has it. */
function told(at: Date, outcome: Outcome): NonNullable<Delivered["attempt"]> {
  const answered = outcome.kind === "answered" ? outcome : undefined;
  return {
    at: at.toISOString(),
    status: answered?.status ?? null,
    duration_ms: outcome.durationMs,
    error: outcome.kind === "failed" ? outcome.error : null,
    response: answered?.response ?? null,
  };
}
