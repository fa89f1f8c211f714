import { z } from "zod";
import { shown } from "./answered.ts";
import { commonFields, stampedFields } from "./common.ts";
import { deals } from "./deals.ts";
import { about, defineResource, nameOf, type Resource } from "./define.ts";
import { toRow } from "./row.ts";
import { boolean, currency, integer, list, members, oneOf, text, uuid } from "./schemas.ts";
import { users } from "./users.ts";

const stageType = oneOf(["open", "won", "lost"]);

const position = integer(0, 10_000).nullable();

/** What a deal must have to come to a stage. */
const requiredFields = (deals: () => Resource) =>
  list(
    z
      .string()
      .refine(
        (name) => Object.hasOwn(deals().fields, name) || /^custom_fields\.[a-z][a-z0-9_]{0,62}$/.test(name),
        "must be a field of deals, or custom_fields. and a key",
      ),
    50,
    "must be a list of field names",
  );

/** The columns that a pipeline shows of each of its stages. */
const EMBEDDED = ["id", "name", "type", "probability", "position", "required_fields", "rotting_days"];

/** The stages that a new pipeline starts with: at least one of each type. It is shown with those that it has. */
const initialStages = (stages: () => Resource) => {
  const columnsOf = (given: Record<string, unknown>[]) => given.map((stage) => toRow(stages(), stage));
  const embedded = () => {
    const { shape } = stages().record;
    const names = EMBEDDED.map((column) => nameOf(stages(), column));
    return z.strictObject(Object.fromEntries(names.map((name) => [name, shape[name] as z.ZodType])));
  };
  return shown(
    list(
      z.lazy(() => stages().create),
      100,
      "must be a list of stages",
    )
      .refine(
        (given) =>
          ["open", "won", "lost"].every((type) => columnsOf(given).some((stage) => (stage["type"] ?? "open") === type)),
        "must have at least one stage of each type: open, won, lost",
      )
      .refine(
        (given) => new Set(columnsOf(given).map(({ name }) => name)).size === given.length,
        "must not have two stages of the same name",
      ),
    z.lazy(() => z.array(embedded())),
  );
};

export const pipelines: Resource = defineResource({
  singular: "pipeline",
  plural: "pipelines",
  fields: {
    ...commonFields,
    name: { schema: text(100), required: true, unique: "duplicate_name", filter: "text", sort: true, searched: true },
    position: { schema: position, filter: "integer", sort: true },
    is_default: { schema: boolean(), default: false, filter: "boolean" },
    currency: { schema: currency().nullable(), filter: "text" },
    rules: {
      schema: members({
        allow_skip: boolean().optional(),
        allow_backwards: boolean().optional(),
        require_lost_reason: boolean().optional(),
      }),
      default: {},
      merged: true,
    },
    stages: { ...about(() => stages, initialStages), createOnly: true, column: { given: "given_stages" } },
  },
  include: { owner: { field: "owner_id", resource: () => users } },
  customizable: true,
  movable: true,
  rules: { write: ["default_pipeline_required"], delete: ["pipeline_in_use", "default_pipeline_required"] },
});

export const stages: Resource = defineResource({
  singular: "stage",
  plural: "stages",
  scope: "pipelines",
  path: "/pipelines/{pipeline_id}/stages",
  parent: { field: "pipeline_id", resource: () => pipelines },
  fields: {
    ...stampedFields,
    pipeline_id: { schema: uuid(), references: "pipelines", filter: "reference" },
    name: {
      schema: text(100),
      required: true,
      unique: "duplicate_name",
      within: ["pipeline_id"],
      filter: "text",
      sort: true,
      searched: true,
    },
    type: { schema: stageType, default: "open", filter: "enum" },
    probability: { schema: integer(0, 100).nullable(), filter: "integer", sort: true },
    position: { schema: position, filter: "integer", sort: true },
    required_fields: { ...about(() => deals, requiredFields), default: [] },
    rotting_days: { schema: integer(1, 3650).nullable() },
  },
  include: { pipeline: { field: "pipeline_id", resource: () => pipelines } },
  movable: true,
  rules: {
    write: ["last_stage_of_type", "stage_in_use"],
    delete: ["stage_in_use", "last_stage_of_type", "stage_not_in_pipeline", "stage_transition_not_allowed"],
  },
  defaultSort: "position",
});
