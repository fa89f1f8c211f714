// What a workspace has before its first record: people, pipelines, custom fields.
import { MARKETS } from "./markets.ts";
import { type Pools, slug } from "./pools.ts";
import { Random } from "./random.ts";

export interface Stage {
  id: string;
  type: "open" | "won" | "lost";
  probability: number;
}

/** A pipeline of the workspace, its stages in order. */
export interface Pipeline {
  id: string;
  name: string;
  stages: readonly Stage[];
}

export interface Member {
  id: string;
  name: string;
  email: string;
}

/** Beside the `Sales Pipeline` that every workspace is born with. */
export const PIPELINES = [
  {
    name: "Renewals",
    given_stages: [
      { name: "Upcoming", probability: 60, rotting_days: 60 },
      { name: "In discussion", probability: 75, rotting_days: 30 },
      { name: "Contract sent", probability: 90, rotting_days: 14 },
      { name: "Renewed", type: "won" },
      { name: "Churned", type: "lost" },
    ],
  },
  {
    name: "Partnerships",
    given_stages: [
      { name: "Introduced", probability: 10 },
      { name: "Evaluating", probability: 35 },
      { name: "Agreement", probability: 70 },
      { name: "Signed", type: "won" },
      { name: "Declined", type: "lost" },
    ],
  },
] as const;

export const CUSTOM_FIELDS = [
  {
    resource: "companies",
    key: "segment",
    label: "Segment",
    type: "select",
    options: ["Startup", "SMB", "Mid-market", "Enterprise"],
  },
  { resource: "companies", key: "contract_ends_on", label: "Contract ends on", type: "date", options: [] },
  {
    resource: "contacts",
    key: "preferred_channel",
    label: "Preferred channel",
    type: "select",
    options: ["Email", "Phone", "LinkedIn"],
  },
  { resource: "contacts", key: "birthday_gift", label: "Birthday gift", type: "boolean", options: [] },
  { resource: "deals", key: "competitor", label: "Competitor", type: "text", options: [] },
  { resource: "deals", key: "contract_months", label: "Contract months", type: "number", options: [] },
] as const;

const COLLEAGUES = ["admin", "admin", "member", "member", "member"] as const;

/** The people of a workspace, beside those that supabase/seed.sql gave it. */
export function makeMembers(pools: Pools, seed: string, domain: string, count: number) {
  return COLLEAGUES.slice(0, count).map((role, place) => {
    const random = new Random(seed, "members", place);
    const names = pools.names[random.pick(MARKETS).names];
    const [first, last] = [random.pick(names.first), random.pick(names.last)];
    return {
      id: random.uuid(0),
      user_id: random.uuid(0),
      role,
      name: `${first} ${last}`,
      email: `${slug(first)}.${slug(last)}@${domain}`,
    };
  });
}
