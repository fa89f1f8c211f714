import type { Contact } from "./contacts.ts";
import { fillIn, SENTENCES, SUBJECTS } from "./phrases.ts";
import type { Random } from "./random.ts";
import { DAY, iso, pickOwner, type Recipe, randomOf } from "./recipe.ts";
import { pickSubject, type Subject, wordsOf } from "./subjects.ts";

const MINUTE = 60_000;
const TEAM_PHONE = "+12125550100";
const TEAM_DOMAIN = "team.example";

type Type = keyof typeof SUBJECTS;

export type Activity = ReturnType<typeof makeActivity>;

/** The activity of that number. */
export function makeActivity(recipe: Recipe, serial: number, about: Parameters<typeof pickSubject>[2]) {
  const random = randomOf(recipe, "activities", serial);
  const subject = pickSubject(random, recipe, about);
  const type = typeOf(random, subject.contact);
  const isAhead = type === "meeting" && subject.to === recipe.now && random.chance(0.15);
  const occurredAt = isAhead
    ? random.moment(recipe.now + DAY, recipe.now + 30 * DAY)
    : random.moment(subject.from, subject.to);
  const createdAt = isAhead
    ? random.moment(Math.max(subject.from, recipe.now - 14 * DAY), recipe.now)
    : Math.min(recipe.now, occurredAt + random.between(0, 30) * MINUTE);
  const owner = subject.deal?.row.owner_id ?? subject.contact.row.owner_id ?? pickOwner(random, recipe);
  const words = wordsOf(random, subject);
  const title = random.pick<string | null>(SUBJECTS[type]);
  const row = {
    id: random.uuid(createdAt),
    workspace_id: recipe.ground.workspaceId,
    owner_id: owner,
    tags: [] as string[],
    source: random.weighted([
      ["ui", 55],
      ["api", 25],
      ["automation", 20],
    ] as const),
    type,
    occurred_at: iso(occurredAt),
    subject: title === null ? null : fillIn(title, words).slice(0, 255),
    ...detailsOf(random, type, { recipe, subject, occurredAt, isAhead, owner, words }),
    ...subject.links,
    created_at: iso(createdAt),
  };
  return { row, contact: subject.contact, occurredAt };
}

interface Details {
  direction: string | null;
  body: string | null;
  duration_seconds: number | null;
  outcome: string | null;
  data: Record<string, unknown>;
}

interface Circumstances {
  recipe: Recipe;
  subject: Subject;
  occurredAt: number;
  isAhead: boolean;
  owner: string | null;
  words: Record<string, string>;
}

function typeOf(random: Random, { row }: Contact): Type {
  const type = random.weighted<Type>([
    ["email", 36],
    ["call", 26],
    ["note", 22],
    ["meeting", 13],
    ["sms", 3],
  ]);
  // Nobody can be called without a number.
  return row.phone_e164 === null && (type === "call" || type === "sms") ? "email" : type;
}

function detailsOf(random: Random, type: Type, circumstances: Circumstances): Details {
  const nothing: Details = { direction: null, body: null, duration_seconds: null, outcome: null, data: {} };
  return { ...nothing, ...DETAILS[type](random, circumstances) };
}

const DETAILS: Record<Type, (random: Random, circumstances: Circumstances) => Partial<Details>> = {
  note: (random, { words }) => ({ body: note(random, words) }),

  sms: (random, { words }) => ({ direction: "outbound", body: fillIn(random.pick(SENTENCES.sms), words) }),

  call: (random, { subject, words }) => {
    const isOutbound = random.chance(0.75);
    const phone = subject.contact.row.phone_e164;
    const outcome = random.weighted([
      ["connected", 58],
      ["no_answer", 24],
      ["left_voicemail", 13],
      ["busy", 5],
    ] as const);
    const isConnected = outcome === "connected" || !isOutbound;
    return {
      direction: isOutbound ? "outbound" : "inbound",
      outcome: isConnected ? "connected" : outcome,
      duration_seconds: isConnected ? Math.round(random.amount(400, 2.4)) : random.between(0, 45),
      body: isConnected && random.chance(0.6) ? note(random, words) : null,
      data: {
        from: isOutbound ? TEAM_PHONE : phone,
        to: isOutbound ? phone : TEAM_PHONE,
        status: isConnected ? "completed" : "missed",
      },
    };
  },

  email: (random, { recipe, subject, occurredAt, owner, words }) => {
    const isOutbound = random.chance(0.62);
    const us = recipe.ground.members.find(({ id }) => id === owner)?.email ?? `sales@${TEAM_DOMAIN}`;
    const them = subject.contact.row.email;
    const sender = isOutbound ? us : them;
    return {
      direction: isOutbound ? "outbound" : "inbound",
      body: fillIn(random.pick<string>(isOutbound ? SENTENCES.email : SENTENCES.reply), words),
      data: {
        message_id: `<${random.hex()}${random.hex()}@${sender.slice(sender.indexOf("@") + 1)}>`,
        from: sender,
        to: [isOutbound ? them : us],
        sent_at: iso(occurredAt),
      },
    };
  },

  meeting: (random, { subject, occurredAt, isAhead, words }) => {
    const minutes = random.pick([30, 30, 45, 60, 60, 90]);
    const isRemote = random.chance(0.7);
    const status = isAhead ? "scheduled" : random.chance(0.88) ? "completed" : "cancelled";
    return {
      duration_seconds: minutes * 60,
      outcome: status === "completed" ? "held" : null,
      body: status === "completed" && random.chance(0.6) ? note(random, words) : null,
      data: {
        starts_at: iso(occurredAt),
        ends_at: iso(occurredAt + minutes * MINUTE),
        location: isRemote ? "Video call" : (subject.contact.company?.place.city ?? "Our office"),
        ...(isRemote && { join_url: `https://meet.example/${random.hex()}` }),
        status,
      },
    };
  },
};

function note(random: Random, words: Record<string, string>): string {
  return [random.pick(SENTENCES.opening), random.pick(SENTENCES.middle), random.pick(SENTENCES.next)]
    .map((sentence) => fillIn(sentence, words))
    .join(" ");
}
