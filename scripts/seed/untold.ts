/** What a session says whose records are nobody's news: the feed begins after the demo data. */
export const UNTOLD = { "crm.events": "off" } as const;
