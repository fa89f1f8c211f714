// The attacker, in a process of its own: it must not hold up the clock of the victim's traffic. What to do comes as
// JSON on stdin; what it was answered goes as JSON to stdout.
import process from "node:process";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { ATTACKS, type Target } from "./attack_rows.ts";

export interface AttackOrder {
  name: string;
  bases: string[];
  key: string;
  milliseconds: number;
  target: Target;
}

/** How often each answer came: its status, with the code of its error. */
export type AttackAnswers = Record<string, number>;

const REQUEST_TIMEOUT_MS = 60_000;
const PAUSE_WHEN_REFUSED_MS = 250;

const { name, bases, key, milliseconds, target } = JSON.parse(await text(process.stdin)) as AttackOrder;
const attack = ATTACKS.find((one) => one.name === name);
if (attack === undefined) throw new Error(`There is no attack ${name}.`);
const { clients, request } = attack;
const until = Date.now() + milliseconds;
const answers: AttackAnswers = {};
let sent = 0;
await Promise.all(
  Array.from({ length: clients }, async () => {
    while (Date.now() < until) {
      const answer = await send(sent++);
      answers[answer] = (answers[answer] ?? 0) + 1;
      if (answer.startsWith("429")) await delay(PAUSE_WHEN_REFUSED_MS);
    }
  }),
);
console.log(JSON.stringify(answers));

async function send(n: number): Promise<string> {
  const { method = "GET", path, body } = request(n, target);
  try {
    const response = await fetch(`${bases[n % bases.length]}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "x-forwarded-proto": "https" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (response.ok) {
      await response.body?.pipeTo(new WritableStream());
      return String(response.status);
    }
    const { error } = (await response.json()) as { error?: { code?: string } };
    return `${response.status} ${error?.code}`;
  } catch (error) {
    return `none (${error instanceof Error ? error.name : "?"})`;
  }
}
