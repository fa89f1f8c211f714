// What a team writes. {first}, {last}, {company}, {industry} and {product} are filled in.

export const PRODUCTS = [
  "Annual plan",
  "Team plan",
  "Onboarding package",
  "Pilot",
  "Data migration",
  "Premium support",
];

export const LOST_REASONS: readonly (readonly [string, number])[] = [
  ["Chose a competitor", 28],
  ["Price", 24],
  ["No decision", 20],
  ["No budget this year", 14],
  ["Missing feature", 9],
  ["Project cancelled", 5],
];

export const TASKS: readonly { type: string; title: string }[] = [
  { type: "call", title: "Call {first} {last} back about pricing" },
  { type: "call", title: "Check in with {first} after the trial" },
  { type: "call", title: "Quarterly call with {company}" },
  { type: "email", title: "Send the proposal to {first} {last}" },
  { type: "email", title: "Send {first} the security questionnaire" },
  { type: "email", title: "Share the case study with {company}" },
  { type: "follow_up", title: "Follow up on the quote for {company}" },
  { type: "follow_up", title: "Ask {first} for a decision" },
  { type: "follow_up", title: "Remind {first} of the open contract" },
  { type: "meeting", title: "Set up a demo for {company}" },
  { type: "meeting", title: "Plan the kick-off with {first}" },
  { type: "todo", title: "Update the account plan of {company}" },
  { type: "todo", title: "Find the budget holder at {company}" },
  { type: "todo", title: "Prepare the renewal offer for {company}" },
  { type: "todo", title: "Have legal look over the contract with {company}" },
];

export const SUBJECTS = {
  email: [
    "Pricing for {company}",
    "Next steps",
    "Your questions about the {product}",
    "Contract draft",
    "Thank you for your time today",
    "Introduction",
    "Dates for the demo",
    "Invoice address of {company}",
  ],
  call: ["Intro call", "Follow-up call", "Pricing call", "Check-in with {company}", "Support question"],
  meeting: ["Demo for {company}", "Kick-off", "Quarterly review", "Contract negotiation", "Workshop: {product}"],
  note: ["Notes on {company}", "After the call", "Budget", "Competition", null, null],
  sms: [null],
} as const;

/** A body is an opening, what there is to say, and what comes next. */
export const SENTENCES = {
  opening: [
    "Spoke with {first} about where {company} stands.",
    "{first} asked for details on the {product}.",
    "{company} is comparing us with two other vendors.",
    "{first} took over the project from a colleague.",
    "Good conversation; {first} knows the {industry} market well.",
    "{first} was short of time but interested.",
  ],
  middle: [
    "They want to replace three spreadsheets and an old tool that nobody maintains.",
    "The budget is there, but sign-off takes two people.",
    "Main concern is how long the migration takes.",
    "They need single sign-on before anything else.",
    "Price is fine, the term of the contract is not.",
    "Their team grows by about ten people this year.",
    "Data has to stay in the region; legal will want that in writing.",
    "They liked the reporting and had questions about permissions.",
  ],
  next: [
    "I will send the proposal this week.",
    "{first} comes back to us after the board meeting.",
    "Next step is a demo for the whole team.",
    "Agreed to talk again in two weeks.",
    "Waiting for their security questionnaire.",
    "No follow-up needed for now.",
  ],
  email: [
    "Hi {first},\n\nthank you for your message. Attached is the offer for the {product}; it is valid for 30 days. Let me know if anything is missing.\n\nBest regards",
    "Hi {first},\n\nas promised, here are the dates for the demo: Tuesday at 10 or Thursday at 15. Which one suits {company} better?\n\nBest regards",
    "Hi {first},\n\nI wanted to check whether you had time to look at the contract. Happy to go through it together.\n\nKind regards",
    "Hi {first},\n\nit was good to meet you. A short summary: you need the {product}, a start next quarter, and a named contact for support. Did I forget anything?\n\nBest",
  ],
  reply: [
    "Hello,\n\nthat works for us. Could you add the {product} to the offer?\n\nRegards\n{first}",
    "Hi,\n\nthanks for the offer. I have to run it past our finance team and will get back to you next week.\n\n{first} {last}\n{company}",
    "Hi,\n\nwe have two more questions before we sign: how do you bill additional seats, and how long is the notice period?\n\nThanks\n{first}",
  ],
  sms: ["Running five minutes late, sorry!", "Thank you {first}, talk tomorrow.", "The contract is in your inbox."],
} as const;

/** Fills a phrase's places. */
export function fillIn(phrase: string, words: Record<string, string>): string {
  return phrase.replace(/\{(\w+)\}/g, (place, name) => words[name] ?? place);
}
