import { fillIn, TASKS } from "./phrases.ts";
import type { Random } from "./random.ts";
import { DAY, iso, pickOwner, type Recipe, randomOf } from "./recipe.ts";
import { pickSubject, wordsOf } from "./subjects.ts";

const HOUR = DAY / 24;

/** The task of that number. */
export function makeTask(recipe: Recipe, serial: number, about: Parameters<typeof pickSubject>[2]) {
  const random = randomOf(recipe, "tasks", serial);
  const subject = pickSubject(random, recipe, about);
  const { type, title } = random.pick(TASKS);
  const createdAt = random.moment(subject.from, subject.to);
  const dueAt = random.chance(0.9) ? random.moment(createdAt + DAY, createdAt + random.between(2, 30) * DAY) : null;
  const assignee = subject.deal?.row.owner_id ?? subject.contact.row.owner_id ?? pickOwner(random, recipe);
  const status = statusOf(random, dueAt === null || dueAt < recipe.now);
  return {
    id: random.uuid(createdAt),
    workspace_id: recipe.ground.workspaceId,
    owner_id: assignee,
    assignee_id: random.chance(0.85) ? assignee : pickOwner(random, recipe),
    tags: random.chance(0.05) ? ["q-planning"] : [],
    source: random.weighted([
      ["ui", 72],
      ["automation", 22],
      ["api", 6],
    ] as const),
    title: fillIn(title, wordsOf(random, subject)).slice(0, 255),
    description: random.chance(0.25) ? "See the notes of the last call before you start." : null,
    type,
    status,
    priority: random.weighted([
      ["normal", 58],
      ["high", 24],
      ["low", 12],
      ["urgent", 6],
    ] as const),
    due_at: dueAt === null ? null : iso(dueAt),
    remind_at: dueAt !== null && random.chance(0.4) ? iso(dueAt - random.pick([1, 2, 24]) * HOUR) : null,
    completed_at:
      status === "completed" ? iso(random.moment(createdAt, Math.min(recipe.now, (dueAt ?? recipe.now) + DAY))) : null,
    ...subject.links,
    created_at: iso(createdAt),
  };
}

function statusOf(random: Random, isDue: boolean): string {
  return isDue
    ? random.weighted([
        ["completed", 80],
        ["open", 8],
        ["cancelled", 8],
        ["in_progress", 4],
      ] as const)
    : random.weighted([
        ["open", 70],
        ["in_progress", 18],
        ["completed", 10],
        ["cancelled", 2],
      ] as const);
}
