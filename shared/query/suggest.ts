import { MAX_LISTED_CHARACTERS, MAX_LISTED_NAMES, MAX_QUOTED } from "../bounds.ts";

/** What other APIs call what is meant: none of these is near to it by its letters. Of several names the first that exists. */
const SYNONYMS: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ["cursor", "page offset skip after start starting_after page_token next_page page_number"],
    ["limit", "per_page perpage page_size pagesize count top take max max_results first"],
    ["limit employee_count", "size"],
    ["search q", "query term keyword keywords text_search"],
    ["search", "q filter where"],
    ["q", "search"],
    ["sort", "order order_by orderby sort_by sortby sort_order ordering"],
    ["fields", "select columns"],
    ["custom_fields fields", "properties attributes metadata"],
    ["include", "expand embed with"],
    ["on_conflict", "upsert"],
    ["dry_run", "preview validate_only"],
    ["deleted", "is_deleted archived with_deleted include_deleted"],
    ["postal_code address.postal_code", "zip zip_code zipcode postcode post_code"],
    ["state address.state", "province region county"],
    ["street address.street", "street_address line1 address1 address_1 address_line_1 address_line1"],
    ["country address.country", "country_code"],
    ["city address.city", "city town"],
    [
      "company_id company name",
      "company company_name organization organisation organization_id org_id account account_id",
    ],
    ["contact_id primary_contact_id", "person person_id contact customer_id"],
    ["deal_id", "deal opportunity opportunity_id"],
    ["owner_id assignee_id", "owner user_id"],
    ["assignee_id owner_id", "assignee assigned_to"],
    ["first_name", "firstname given_name forename"],
    ["first_name title subject label", "name full_name"],
    ["last_name", "lastname surname family_name"],
    ["phone", "mobile mobile_phone mobile_number phone_number telephone tel cell cell_phone"],
    ["email", "mail email_address e_mail"],
    ["job_title name subject", "title"],
    ["job_title", "position role occupation"],
    ["title subject name", "summary"],
    ["title name", "subject"],
    ["website domain", "url homepage web site"],
    ["linkedin_url", "linkedin linkedin_profile"],
    ["name", "deal_name dealname label"],
    ["tags", "labels categories"],
    ["locale", "language lang"],
    ["timezone", "time_zone tz"],
    ["birthday", "date_of_birth dob birthdate birth_date"],
    ["amount", "value price deal_value"],
    ["currency", "currency_code"],
    ["expected_close_date", "close_date closedate"],
    ["stage_id", "stage"],
    ["pipeline_id", "pipeline"],
    ["due_at", "due_date due deadline"],
    ["remind_at", "reminder"],
    ["industry", "sector"],
    ["employee_count", "employees headcount number_of_employees"],
    ["annual_revenue", "revenue turnover"],
    ["body description", "notes note comment comments content text"],
    ["created_at", "created createdate date_created created_on created_date created_since created_after"],
    [
      "updated_at",
      "modified updated last_modified modified_at updated_on since updated_since modified_since updated_after modified_after last_updated lastmodifieddate",
    ],
    ["external_id", "ext_id reference reference_id remote_id"],
    ["id", "uuid object_id record_id"],
  ].flatMap(([meant = "", names = ""]) => names.split(" ").map((name) => [name, meant.split(" ")] as const)),
);

/** The candidate nearest to a misspelt name, or undefined when none is near enough to be what was meant. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const quoted = name.slice(0, MAX_QUOTED);
  const typed = inSnakeCase(quoted);
  if (typed === "") return undefined;
  if (candidates.includes(typed)) return typed;
  const synonyms = SYNONYMS.get(typed);
  if (synonyms !== undefined)
    return synonyms.find((one) => candidates.includes(one) || candidates.includes(one.replace(/\..*/, "")));
  // What others put in brackets: page[size], filter[status], fields[contacts].
  const [, head = "", member = ""] = /^(\w+)\[(\w*)\]?$/.exec(quoted) ?? [];
  if (member !== "")
    return (
      nearest(
        head,
        candidates.filter((candidate) => candidate === head),
      ) ?? nearest(member, candidates)
    );
  let best: string | undefined;
  let bestDistance = Math.max(typed.length > 4 ? 2 : 1, Math.floor(typed.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

// firstName, page[size] and Per-Page as they would be written here.
function inSnakeCase(name: string): string {
  return name
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[\s[\]-]+/g, "_")
    .replace(/^_|_$/g, "");
}

/** That a name does not exist as a sentence that helps: what was probably meant, and what exists. */
export function unknownName(
  kind: string,
  name: string,
  allowed: readonly string[],
  { suggests = true, lists = true } = {},
): string {
  const meant = suggests ? nearest(name, allowed) : undefined;
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
  const choice = lists ? ` ${listed(allowed)}` : "";
  return `The ${name === "" ? "empty" : name.slice(0, MAX_QUOTED)} ${kind} does not exist.${hint}${choice}`;
}

/** The names that exist, as a sentence; of very many the first. */
export function listed(allowed: readonly string[]): string {
  if (allowed.length === 0) return "There are none.";
  const told: string[] = [];
  let length = 0;
  for (const name of allowed.slice(0, MAX_LISTED_NAMES)) {
    length += name.length;
    if (length > MAX_LISTED_CHARACTERS) break;
    told.push(name);
  }
  const more = allowed.length - told.length;
  return `Allowed: ${told.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}

/** Levenshtein distance with adjacent transpositions, given up once it reaches `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let distance = Math.min(at(previous, j) + 1, at(current, j - 1) + 1, at(previous, j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, at(beforePrevious, j - 2) + 1);
      }
      current.push(distance);
    }
    if (Math.min(...current) >= limit) return limit;
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
