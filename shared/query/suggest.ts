import { MAX_LISTED_NAMES, MAX_QUOTED } from "../bounds.ts";

/** What other APIs call what is meant: none of these is near to it by its letters. */
const SYNONYMS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    page: ["cursor"],
    offset: ["cursor"],
    skip: ["cursor"],
    after: ["cursor"],
    start: ["cursor"],
    starting_after: ["cursor"],
    page_token: ["cursor"],
    per_page: ["limit"],
    page_size: ["limit"],
    pagesize: ["limit"],
    size: ["limit"],
    count: ["limit"],
    top: ["limit"],
    take: ["limit"],
    q: ["search", "q"],
    query: ["search", "q"],
    term: ["search", "q"],
    keyword: ["search", "q"],
    order: ["sort"],
    order_by: ["sort"],
    orderby: ["sort"],
    sort_by: ["sort"],
    select: ["fields"],
    properties: ["fields", "custom_fields"],
    expand: ["include"],
    embed: ["include"],
    with: ["include"],
    upsert: ["on_conflict"],
    preview: ["dry_run"],
    validate_only: ["dry_run"],
    is_deleted: ["deleted"],
    archived: ["deleted"],
    zip: ["postal_code", "address.postal_code", "address"],
    zip_code: ["postal_code", "address.postal_code", "address"],
    zipcode: ["postal_code", "address.postal_code", "address"],
    postcode: ["postal_code", "address.postal_code", "address"],
    province: ["state", "address.state", "address"],
    region: ["state", "address.state", "address"],
    street_address: ["street", "address.street", "address"],
    line1: ["street", "address.street", "address"],
    country_code: ["country", "address.country", "address"],
    city: ["address.city", "address"],
    company: ["company_id"],
    organization: ["company_id"],
    organization_id: ["company_id"],
    org_id: ["company_id"],
    account_id: ["company_id"],
    person_id: ["contact_id", "primary_contact_id"],
    assigned_to: ["assignee_id", "owner_id"],
    user_id: ["owner_id", "assignee_id"],
    firstname: ["first_name"],
    given_name: ["first_name"],
    lastname: ["last_name"],
    surname: ["last_name"],
    family_name: ["last_name"],
    mobile: ["phone"],
    mobile_phone: ["phone"],
    telephone: ["phone"],
    tel: ["phone"],
    mail: ["email"],
    email_address: ["email"],
    title: ["job_title", "name"],
    position: ["job_title"],
    role: ["job_title"],
    url: ["website"],
    homepage: ["website"],
    labels: ["tags"],
    categories: ["tags"],
    language: ["locale"],
    time_zone: ["timezone"],
    tz: ["timezone"],
    date_of_birth: ["birthday"],
    dob: ["birthday"],
    value: ["amount"],
    price: ["amount"],
    close_date: ["expected_close_date"],
    closedate: ["expected_close_date"],
    stage: ["stage_id"],
    pipeline: ["pipeline_id"],
    due_date: ["due_at"],
    due: ["due_at"],
    reminder: ["remind_at"],
    employees: ["employee_count"],
    revenue: ["annual_revenue"],
    notes: ["body", "description"],
    content: ["body"],
    text: ["body"],
    created: ["created_at"],
    createdate: ["created_at"],
    date_created: ["created_at"],
    modified: ["updated_at"],
    updated: ["updated_at"],
    last_modified: ["updated_at"],
    ext_id: ["external_id"],
  }),
);

/** The candidate nearest to a misspelt name, or undefined when none is near enough to be what was meant. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const typed = name.slice(0, MAX_QUOTED).toLowerCase();
  if (typed === "") return undefined;
  const synonyms = SYNONYMS.get(typed.replace(/[\s-]+/g, "_"));
  if (synonyms !== undefined && !candidates.includes(typed))
    return synonyms.find((synonym) => candidates.includes(synonym));
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(typed.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `unknown` as a sentence that helps: what was probably meant, and what exists. */
export function unknownName(kind: string, name: string, allowed: readonly string[]): string {
  const meant = nearest(name, allowed);
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
  return `The ${name === "" ? "empty" : name.slice(0, MAX_QUOTED)} ${kind} does not exist.${hint} ${listed(allowed)}`;
}

/** The names that exist, as a sentence; of very many the first. */
export function listed(allowed: readonly string[]): string {
  if (allowed.length === 0) return "There are none.";
  const more = allowed.length - MAX_LISTED_NAMES;
  return `Allowed: ${allowed.slice(0, MAX_LISTED_NAMES).join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
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
