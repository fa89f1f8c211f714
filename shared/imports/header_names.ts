import { nameOf, type Resource } from "../resources/define.ts";

/**
 * What exports of other CRMs, address books and spreadsheets call the fields, by resource and column: headers as `plain` makes
 * them. None stands here whose cells may mean something else, such as a stage's name for its id.
 */
const SYNONYMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  contacts: {
    email: ["emailaddress", "email1value", "emailadresse", "mail", "workemail", "primaryemail", "personemail"],
    first_name: ["firstname", "givenname", "forename", "vorname", "namefirstname"],
    last_name: ["lastname", "familyname", "surname", "nachname", "namelastname"],
    phone: ["phonenumber", "telephone", "phone1value", "businessphone", "workphone", "telefon", "telefongeschäftlich"],
    job_title: ["jobtitle", "organizationtitle", "organization1title"],
    birthday: ["birthdate", "dateofbirth", "geburtstag"],
    "address.street": ["mailingstreet", "businessstreet", "address1street", "street"],
    "address.city": ["mailingcity", "businesscity", "address1city", "city"],
    "address.state": ["mailingstate", "businessstate", "address1region", "state"],
    "address.postal_code": ["mailingpostalcode", "businesspostalcode", "address1postalcode", "postalcode", "zip"],
  },
  companies: {
    name: ["companyname", "accountname", "organizationname", "company", "organization", "firma"],
    domain: ["companydomainname", "domainname"],
    phone: ["phonenumber", "telephone", "telefon"],
    "address.street": ["billingstreet", "street"],
    "address.city": ["billingcity", "city"],
    "address.state": ["billingstate", "state"],
    "address.postal_code": ["billingpostalcode", "postalcode", "zip"],
  },
  deals: {
    name: ["dealname", "dealtitle", "opportunityname"],
    expected_close_date: ["closedate", "dealexpectedclosedate"],
  },
  tasks: { title: ["subject"], due_at: ["duedate"] },
  activities: {},
};

/** A header without case, blanks, hyphens, underscores and the like, as far as those differ from program to program. */
function plain(header: string): string {
  return header
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "");
}

/**
 * The field that a header says in other words: `First Name`, `E-mail 1 - Value`; undefined when it says none that
 * the resource has.
 * @param targets what a column may be mapped to
 */
export function fieldOfHeader(resource: Resource, header: string, targets: Iterable<string>): string | undefined {
  const name = plain(header);
  if (name === "") return undefined;
  const listed = [...targets];
  const synonyms = Object.entries(SYNONYMS[resource.plural] ?? {}).map(
    ([column, names]) => [nameOf(resource, column), names] as const,
  );
  return (
    listed.find((target) => plain(target) === name && isPlain(resource, target)) ??
    synonyms.find(([target, names]) => listed.includes(target) && names.includes(name))?.[0]
  );
}

/** Not a reference, which another program has ids of its own for, nor an object, which it writes as text. */
function isPlain(resource: Resource, target: string): boolean {
  const field = resource.fields[target];
  return field?.references === undefined && field?.merged === undefined;
}
