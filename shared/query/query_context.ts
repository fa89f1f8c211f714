/** A custom field of the resource that is asked about, as far as filters and sorts need to know it. */
export interface CustomField {
  id: string;
  key: string;
  type: "text" | "number" | "boolean" | "date" | "datetime" | "select" | "multi_select" | "url" | "email";
  /** Which column of crm.custom_values its values are in. */
  kind: "text" | "number" | "time";
}

/** What the meaning of a query depends on beside its words: the workspace's definitions and the key's scopes. */
export interface QueryContext {
  customFields: readonly CustomField[];
  mayRead(scope: string): boolean;
}

/** A workspace without custom fields and a key that may read everything. */
export const PLAIN_CONTEXT: QueryContext = { customFields: [], mayRead: () => true };
