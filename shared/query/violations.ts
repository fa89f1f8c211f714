import { MAX_QUOTED_PATH, MAX_SUGGESTIONS, MAX_VIOLATIONS } from "../bounds.ts";
import { ApiError, type ErrorCode, type FieldErrors } from "../errors.ts";
import { listed, unknownName } from "./suggest.ts";

type ViolationCode = Extract<ErrorCode, "validation_error" | "unknown_field" | "read_only_field">;

/**
 * What one answer may still say of what is wrong. Shared by the records of a bulk request, so that a thousand bad
 * ones make no larger answer than a few do.
 */
export class Telling {
  private suggestions = MAX_SUGGESTIONS;
  private readonly told = new Set<string>();

  constructor(private left: number = MAX_VIOLATIONS) {}

  /** How many violations one record tells: fewer when others have told many. */
  grant(): number {
    return Math.max(1, Math.min(MAX_VIOLATIONS, this.left));
  }

  spend(violations: number): void {
    this.left -= violations;
  }

  /** That a name does not exist, what was probably meant, and, the first time they are needed, what names do. */
  unknown(kind: string, name: string, allowed: readonly string[]): string {
    const choice = listed(allowed);
    const said = unknownName(kind, name, allowed, { suggests: this.suggestions > 0, lists: !this.told.has(choice) });
    this.suggestions -= 1;
    this.told.add(choice);
    return said;
  }
}

/** Violations by field. Those beyond what may be told are counted, and neither their names nor sentences are made. */
export class Violations {
  private readonly details = new Map<string, string[]>();
  private readonly codes = new Set<ViolationCode>();
  private readonly max: number;
  private count = 0;

  constructor(readonly telling: Telling = new Telling()) {
    this.max = telling.grant();
  }

  get isEmpty(): boolean {
    return this.codes.size === 0;
  }

  /** Counts `more` that nobody wants to be told one by one. */
  addUntold(code: ViolationCode, more: number): void {
    if (more <= 0) return;
    this.codes.add(code);
    this.count += more;
  }

  add(path: readonly PropertyKey[], code: ViolationCode, sentence: (field: string) => string): void {
    this.codes.add(code);
    this.count += 1;
    if (this.count > this.max) return;
    const field = path.map(String).join(".").slice(0, MAX_QUOTED_PATH) || "body";
    const before = this.details.get(field) ?? [];
    const said = sentence(field);
    // A schema and what refines it find the same fault.
    if (before.includes(said)) this.count -= 1;
    else this.details.set(field, [...before, said]);
  }

  /** All of them as one error; its code is the one that all have in common. */
  error(): ApiError {
    const [only] = this.codes;
    const told = Object.fromEntries(this.details) as FieldErrors;
    const more = this.count - [...this.details.values()].reduce((sum, sentences) => sum + sentences.length, 0);
    this.telling.spend(Math.min(this.count, this.max));
    const first = Object.values(told)[0]?.[0];
    return new ApiError(this.codes.size === 1 && only !== undefined ? only : "validation_error", {
      ...(first !== undefined && { message: first }),
      details: more > 0 ? { ...told, _more: more } : told,
    });
  }
}
