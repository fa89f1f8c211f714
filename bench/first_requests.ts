// What a newcomer waits for: the first request with a key and with a session that the function has not seen, which it has to
// look up, and whose signature it has to check.
import { createSigner } from "../shared/signing_key.ts";
import type { Bench } from "./bench.ts";
import { median, single } from "./load.ts";
import { progress, show, verdict } from "./report.ts";
import { createAccount, createKey } from "./workspace.ts";

/** One request each of many keys and as many sessions, in turn. */
export async function measureFirstRequests({ info, sql, quick, figures, verdicts }: Bench): Promise<void> {
  progress("First requests");
  const rounds = quick ? 30 : 200;
  const { id } = await createAccount(sql, "First requests");
  const sign = createSigner(info.authKey);
  const iss = `${info.signIn["SUPABASE_URL"]}/auth/v1`;
  const [user] = await sql`
    insert into auth.users (id, email) values (gen_random_uuid(), ${`${crypto.randomUUID()}@bench.example`}) returning id`;
  await sql`
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (${id}, ${user?.["id"]}, 'owner', 'Bench', 'bench@bench.example')`;
  const claims = { iss, aud: "authenticated", role: "authenticated", sub: user?.["id"] };
  const first = async (credential: string) => {
    // From an address of its own each: one that asks with so many that are new is slowed down.
    const headers = { authorization: `Bearer ${credential}`, "x-forwarded-for": crypto.randomUUID() };
    const { latenciesMs, statuses } = await single(
      { url: `${info.functionUrl}/v1`, requests: [{ path: "/contacts?limit=1" }], headers },
      1,
    );
    if (statuses[200] !== 1) throw new Error(`a first request was answered ${JSON.stringify(statuses)}`);
    return latenciesMs[0] ?? Number.NaN;
  };
  const keys: number[] = [];
  const sessions: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { key } = await createKey(sql, id);
    keys.push(await first(key));
    sessions.push(await first(await sign({ ...claims, session_id: crypto.randomUUID() }, 3600)));
  }
  const [ofKeys, ofSessions] = [median(keys), median(sessions)];
  figures.push({
    name: "first request of a key / of a session: p50",
    value: `${show(ofKeys)} / ${show(ofSessions)} ms`,
  });
  verdicts.push(verdict("first request: p50 of a session less that of a key", ofSessions - ofKeys, { most: 5 }, " ms"));
}
