/** A statement of an SQL file. */
export interface Statement {
  /** With the comments before it, without its semicolon. */
  text: string;
  /** Index of the text in the file. */
  offset: number;
  /** The line where it starts, comments skipped; 1 is the first. */
  line: number;
}

// What may hold a semicolon that ends nothing, and the words that open and close a body of SQL.
const TOKEN = new RegExp(
  [
    String.raw`(?<space>\s+|--[^\n]*)`,
    String.raw`(?<comment>/\*)`,
    String.raw`(?<escaped>[eE]'(?:[^'\\]|\\[\s\S]|'')*')`,
    `(?<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")`,
    String.raw`(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)`,
    String.raw`(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
    String.raw`(?<other>[\s\S])`,
  ].join("|"),
  "y",
);

/** The statements of an SQL file, as the Supabase CLI takes it apart and notes it in its history table. */
export function splitStatements(sql: string): Statement[] {
  const statements: Statement[] = [];
  let start = 0; // of the statement with its comments
  let first: number | undefined; // of the statement itself
  let depth = 0; // of `begin atomic … end`, with `case … end` in it
  let lastWord = "";

  const finish = (end: number) => {
    if (first !== undefined) {
      const text = sql.slice(start, end).trim();
      statements.push({ text, offset: sql.indexOf(text, start), line: lineAt(sql, first) });
    }
    start = end + 1;
    first = undefined;
    depth = 0;
  };

  for (let i = 0; i < sql.length; ) {
    TOKEN.lastIndex = i;
    const match = TOKEN.exec(sql);
    const token = match?.[0] ?? "";
    const groups = match?.groups ?? {};
    if (groups["comment"]) {
      i = endOfComment(sql, i);
      continue;
    }
    if (token === ";" && depth === 0) finish(i);
    else if (groups["space"] === undefined) first ??= i;
    if (groups["word"]) {
      const word = token.toLowerCase();
      if (word === "atomic" && lastWord === "begin") depth = 1;
      else if (depth > 0 && word === "case") depth += 1;
      else if (depth > 0 && word === "end") depth -= 1;
      lastWord = word;
    }
    const closing = groups["dollar"] === undefined ? -1 : sql.indexOf(token, i + token.length);
    i = closing === -1 ? i + token.length : closing + token.length;
  }
  finish(sql.length);
  return statements;
}

/** The line of an index; 1 is the first. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

// Comments nest in Postgres.
function endOfComment(sql: string, start: number): number {
  let depth = 0;
  for (const { 0: mark, index } of sql.slice(start).matchAll(/\/\*|\*\//g)) {
    depth += mark === "/*" ? 1 : -1;
    if (depth === 0) return start + index + 2;
  }
  return sql.length;
}
