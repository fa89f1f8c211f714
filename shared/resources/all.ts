import { contacts } from "./contacts.ts";
import type { Resource } from "./define.ts";

/** Every resource, in the order the documentation shows them. */
export const resources: readonly Resource[] = [contacts];
