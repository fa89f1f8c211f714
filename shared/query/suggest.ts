/** The candidate nearest to a misspelt name, or undefined when none is near enough to be what was meant. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const typed = name.slice(0, 64).toLowerCase();
  if (typed === "") return undefined;
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
  const choice = allowed.length === 0 ? "There are none." : `Allowed: ${allowed.join(", ")}.`;
  return `The ${name === "" ? "empty" : name.slice(0, 64)} ${kind} does not exist.${hint} ${choice}`;
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
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
