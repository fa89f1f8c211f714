import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../scripts/stack/settings.ts";
import { percentile, perSecond, together } from "./load.ts";
import type { Ratio, Seen } from "./turns.ts";

/** One measured target, as the files show it. */
export interface LoadRow {
  name: string;
  side: string;
  aloneP50Ms: number;
  /** Of many clients; none where only one was sent. */
  crowded: { requestsPerSecond: number; p50Ms: number; p99Ms: number } | undefined;
  requests: number;
  errors: number;
  statuses: Record<string, number>;
}

/** How the API compares with something that does the same. */
export interface RatioRow {
  name: string;
  /** What it is divided by. */
  by: string;
  /** Of one client: above 1 the API takes longer. */
  p50: Ratio;
  /** Requests a second of many clients: below 1 the API answers fewer. */
  rate: Ratio | undefined;
}

/** A figure that the project promises. */
export interface Verdict {
  what: string;
  target: string;
  figure: string;
  met: boolean;
}

/** A figure without a counterpart: one client, memory, start. */
export interface Figure {
  name: string;
  value: string;
}

/** What a victim of an attack felt, and the functions held. */
export interface AttackRow {
  name: string;
  /** What the attacker was answered, how often. */
  answers: Record<string, number>;
  quietP50Ms: number;
  quietP95Ms: number;
  p50Ms: number;
  p95Ms: number;
  /** What the victim's p95 may be at most. */
  boundMs: number;
  /** Answers of 5xx, and requests without an answer. */
  victimFailures: number;
  /** Memory (RSS) of each function at most: what the attack added, and all of it. */
  addedMb: number[];
  peakMb: number[];
  met: boolean;
}

export interface Report {
  machine: Record<string, string | number>;
  settings: Record<string, string | number>;
  loads: LoadRow[];
  ratios?: RatioRow[];
  attacks?: AttackRow[];
  figures: Figure[];
  verdicts: Verdict[];
}

export function loadRow(name: string, side: string, seen: Seen): LoadRow {
  const [alone, crowded] = [together(seen.alone), together(seen.crowded)];
  const { requests, errors, statuses } = together([alone, crowded]);
  return {
    name,
    side,
    aloneP50Ms: round(percentile(alone, 0.5)),
    crowded:
      crowded.requests === 0
        ? undefined
        : {
            requestsPerSecond: round(perSecond(crowded)),
            p50Ms: round(percentile(crowded, 0.5)),
            p99Ms: round(percentile(crowded, 0.99)),
          },
    requests,
    errors,
    statuses,
  };
}

/** A verdict on a number that must not be below (`least`) or above (`most`) a bound. */
export function verdict(what: string, figure: number, bound: { least: number } | { most: number }, unit = ""): Verdict {
  const met = "least" in bound ? figure >= bound.least : figure <= bound.most;
  const target = "least" in bound ? `≥ ${show(bound.least)}${unit}` : `≤ ${show(bound.most)}${unit}`;
  return { what, target, figure: `${show(figure)}${unit}`, met };
}

/** Writes bench/<name>.json and bench/<name>.md, and answers the latter. */
export function writeReport(report: Report, name: string): string {
  const markdown = render(report);
  writeFileSync(join(ROOT, `bench/${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(ROOT, `bench/${name}.md`), markdown);
  return markdown;
}

/** A ratio, and where it lies. */
export function showRatio({ ratio, low, high }: Ratio): string {
  return `${ratio.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

/** Says how far a run is. */
export function progress(line: string): void {
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${line}`);
}

/** Three significant digits, with thousands separated. */
export function show(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value >= 100 ? 0 : value >= 10 ? 1 : 2 });
}

function render({ machine, settings, loads, ratios = [], attacks = [], figures, verdicts }: Report): string {
  const facts = (values: Record<string, string | number>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
  return [
    `Measured by \`npm run bench\`: ${facts(machine)}; ${facts(settings)}.`,
    "",
    ...table(
      ["Target", "Asked", "Measured", ""],
      verdicts.map((one) => [one.what, one.target, one.figure, one.met ? "met" : "**not met**"]),
    ),
    "",
    ...(ratios.length === 0 ? [] : [...ratioTable(ratios), ""]),
    ...(loads.length === 0 ? [] : [...loadTable(loads), ""]),
    ...(attacks.length === 0 ? [] : [...attackTable(attacks), ""]),
    ...(figures.length === 0 ? [] : [...figureTable(figures), ""]),
  ].join("\n");
}

function ratioTable(ratios: readonly RatioRow[]): string[] {
  return table(
    ["API ÷", "Request", "p50 of one client (lower is better)", "requests/s of 16 (higher is better)"],
    ratios.map(({ name, by, p50, rate }) => [by, name, showRatio(p50), rate === undefined ? "–" : showRatio(rate)]),
  );
}

function loadTable(loads: readonly LoadRow[]): string[] {
  return table(
    ["Request", "Of", "p50 ms of one client", "Requests/s of 16", "p50 ms", "p99 ms", "Errors"],
    loads.map(({ name, side, aloneP50Ms, crowded, errors }) => [
      name,
      side,
      show(aloneP50Ms),
      ...(crowded === undefined
        ? ["–", "–", "–"]
        : [show(crowded.requestsPerSecond), show(crowded.p50Ms), show(crowded.p99Ms)]),
      String(errors),
    ]),
  );
}

function attackTable(attacks: readonly AttackRow[]): string[] {
  const [p50, p95] = [
    (row: AttackRow) => show(row.p50Ms / row.quietP50Ms),
    (row: AttackRow) => show(row.p95Ms / row.quietP95Ms),
  ];
  return table(
    [
      "Attack",
      "Attacker gets",
      "Victim quiet p50 / p95 ms",
      "during",
      "ratio",
      "p95 asked",
      "",
      "Its 5xx",
      "Functions' MB, added / most",
    ],
    attacks.map((row) => [
      row.name,
      Object.entries(row.answers)
        .map(([answer, times]) => `${show(times)} × ${answer}`)
        .join(", "),
      `${show(row.quietP50Ms)} / ${show(row.quietP95Ms)}`,
      `${show(row.p50Ms)} / ${show(row.p95Ms)}`,
      `${p50(row)} / ${p95(row)}`,
      `≤ ${show(row.boundMs)}`,
      row.met ? "met" : "**not met**",
      String(row.victimFailures),
      row.peakMb.map((peak, i) => `${show(row.addedMb[i] ?? 0)} / ${show(peak)}`).join("; "),
    ]),
  );
}

function figureTable(figures: readonly Figure[]): string[] {
  return table(
    ["Figure", "Value"],
    figures.map(({ name, value }) => [name, value]),
  );
}

/** A table in Markdown. */
export function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
