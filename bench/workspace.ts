import type postgres from "postgres";
import { createApiKey } from "../scripts/api_keys.ts";
import type { StackInfo } from "../scripts/stack/stack_info.ts";
import type { Plan } from "../shared/limits/plans.ts";
import { createSigner, type SigningKey } from "../shared/signing_key.ts";
import { addUpTallies } from "./book_seed.ts";
import { progress } from "./report.ts";
import type { ApiAccess } from "./scenarios.ts";

/** A workspace and a key for it; unless said on the plan `benchmark`, whose limit can't be reached. */
export interface Account {
  id: string;
  keyId: string;
  key: string;
}

export async function createAccount(sql: postgres.Sql, name: string, plan: Plan = "benchmark"): Promise<Account> {
  const [workspace] = await sql`insert into crm.workspaces (name, plan) values (${name}, ${plan}) returning id`;
  const id = workspace?.["id"];
  return { id, ...(await createKey(sql, id)) };
}

/** A further key of a workspace, with a quota of its own. */
export async function createKey(sql: postgres.Sql, workspaceId: string): Promise<{ keyId: string; key: string }> {
  const { id, key } = await createApiKey(sql, { workspaceId, name: "bench" });
  return { keyId: id, key };
}

/** A workspace with contacts, and both ways to them: a key for the API, a token for bare PostgREST. */
export interface BenchWorkspace {
  id: string;
  size: number;
  key: string;
  /** What the function would sign for the key: the same role and claims, so the same policies. */
  jwt: string;
  /** Ids spread over the whole workspace, and their emails. */
  ids: string[];
  emails: string[];
}

/** The way to a workspace through the API. */
export function accessOf({ functionUrl }: StackInfo, { key, ids }: BenchWorkspace): ApiAccess {
  return { url: `${functionUrl}/v1`, key, ids };
}

const BATCH = 100_000;

/** Makes a workspace and seeds its contacts. */
export async function createBenchWorkspace(
  sql: postgres.Sql,
  size: number,
  signingKey: SigningKey,
): Promise<BenchWorkspace> {
  const account = await createAccount(sql, `Bench ${size}`);
  const { id } = account;

  await sql`
    insert into crm.custom_fields (workspace_id, resource, key, label, type)
    values (${id}, 'contacts', 'plan', 'Plan', 'text'), (${id}, 'contacts', 'seats', 'Seats', 'number')`;
  // Past the triggers, which take longer than the rows; what they keep is added up below.
  const session = await sql.reserve();
  await session`set session_replication_role = replica`;
  for (let from = 1; from <= size; from += BATCH) {
    const to = Math.min(from + BATCH - 1, size);
    const startedAt = performance.now();
    await seedContacts(session, id, from, to);
    if (to - from > 10_000)
      progress(`  contacts ${from} to ${to} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  }
  await session`set session_replication_role = origin`;
  session.release();
  await addUpTallies(sql, "contacts", id);
  return await benchWorkspace(sql, account, size, signingKey);
}

/** A workspace of `size` contacts that is there already. */
export async function benchWorkspace(
  sql: postgres.Sql,
  { id, keyId, key }: Account,
  size: number,
  signingKey: SigningKey,
): Promise<BenchWorkspace> {
  const rows = await sql`
    select id, email from (select id, email, row_number() over (order by created_at, id) as place from crm.contacts where workspace_id = ${id}) as contacts
    where place % ${Math.floor(size / 1_000)} = 0 limit 1000`;
  const jwt = await createSigner(signingKey)({ role: "crm_api", workspace_id: id, key_id: keyId }, 4 * 3600);
  return { id, size, key, jwt, ids: rows.map((row) => row["id"]), emails: rows.map((row) => row["email"]) };
}

// A quarter are leads, two thirds active; names repeat as names do, and one surname is rare.
async function seedContacts(sql: postgres.Sql, workspaceId: string, from: number, to: number): Promise<void> {
  await sql`
    insert into crm.contacts (
      workspace_id, external_id, email, first_name, last_name, phone, phone_e164, job_title, department, status, lifecycle_stage,
      lead_source, address, timezone, locale, score, last_activity_at, tags, custom_fields, created_at
    )
    select
      ${workspaceId},
      case when i % 5 = 0 then 'crm-' || i end,
      translate(lower(first || '.' || last), 'éöü', 'eou') || i || '@' || (array['northwind', 'acme', 'globex', 'initech', 'umbrella', 'contoso', 'hooli', 'stark'])[1 + i % 8]
        || (array['.com', '.io', '.co.uk', '.de', '.example'])[1 + i % 5],
      first,
      last,
      case when i % 10 > 0 then format('+1 (%s) 555-%s', 201 + hash % 780, lpad((i % 10000)::text, 4, '0')) end,
      case when i % 10 > 0 then format('+1%s555%s', 201 + hash % 780, lpad((i % 10000)::text, 4, '0')) end,
      (array['Engineer', 'Account Executive', 'Head of Marketing', 'Chief Financial Officer', 'Buyer', 'Consultant', null])[1 + hash % 7],
      (array['Sales', 'Marketing', 'Finance', 'Operations', null])[1 + hash % 5],
      (array['active', 'active', 'active', 'active', 'active', 'active', 'inactive', 'unsubscribed', 'bounced'])[1 + hash % 9],
      case when i % 4 = 0 then 'lead' else (array['subscriber', 'mql', 'sql', 'opportunity', 'customer', null])[1 + hash % 6] end,
      (array['web', 'referral', 'event', 'ads', null])[1 + hash % 5],
      case when i % 2 = 0 then jsonb_build_object('city', 'Springfield', 'country', 'US', 'postal_code', lpad((i % 99999)::text, 5, '0')) end,
      (array['America/New_York', 'Europe/Berlin', 'Asia/Tokyo', null])[1 + hash % 4],
      (array['en-US', 'de-DE', 'ja-JP', null])[1 + hash % 4],
      case when hash % 6 > 0 then hash % 101 end,
      case when hash % 3 > 0 then now() - hash % 8000 * interval '1 hour' end,
      (array['{}', '{newsletter}', '{vip,newsletter}', '{trial}']::text[])[1 + hash % 4]::text[],
      case when i % 3 = 0 then jsonb_build_object('plan', 'pro', 'seats', hash % 50) else '{}' end,
      now() - (3000000 - i) * interval '7.3 seconds'
    from (
      select i, hash,
        (array['Maria', 'James', 'Anna', 'Wei', 'Fatima', 'John', 'Olga', 'Pedro', 'Aisha', 'Lukas', 'Emma', 'Noah', 'Yuki', 'Ivan', 'Chloé', 'Omar',
          'Sofia', 'Liam', 'Nina', 'Karl', 'Ingrid', 'Mateo', 'Priya', 'Tomasz', 'Hannah', 'Diego', 'Leila', 'Sven', 'Grace', 'Ahmed', 'Zoe', 'Paul',
          'Marta', 'Kenji', 'Elena', 'Björn', 'Ruth', 'Samuel', 'Alice', 'Viktor', 'Irene', 'Hugo', 'Mina', 'Oscar', 'Clara', 'Felix', 'Julia',
          'Rafael', 'Naomi', 'Stefan', 'Laura', 'Adam', 'Eva', 'Bruno', 'Tessa', 'Igor', 'Sara', 'Daniel', 'Mei', 'Thomas'])[1 + hash % 60] as first,
        case when i % 40000 = 77 then 'Szczepanowski' else
          (array['Smith', 'Müller', 'Garcia', 'Kowalski', 'Tanaka', 'Rossi', 'Novak', 'Silva', 'Khan', 'Nguyen', 'Johansson', 'Dubois', 'Petrov', 'Jensen',
          'Lopez', 'Brown', 'Schneider', 'Costa', 'Ali', 'Chen', 'Larsen', 'Moreau', 'Ivanov', 'Hansen', 'Martinez', 'Taylor', 'Fischer', 'Santos',
          'Hussain', 'Wang', 'Berg', 'Laurent', 'Popov', 'Nielsen', 'Hernandez', 'Wilson', 'Weber', 'Oliveira', 'Patel', 'Sato', 'Bianchi'])[1 + hash / 60 % 41]
        end as last
      from (select i, abs(hashint8(i)) as hash from generate_series(${from}::bigint, ${to}::bigint) as i) as numbers
    ) as people`;
}
