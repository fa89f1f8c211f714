/**
 * How much one request may bring, ask and be answered: every cap of the API stands here and nowhere else. Each is told
 * to the client in the error of the request that goes beyond it.
 */

/** Violations that one answer tells (contract §5); how many there are beyond stands in `details._more`. */
export const MAX_VIOLATIONS = 20;
/** Comparisons of one list or search, those of the URL and of a search body's tree alike. */
export const MAX_COMPARISONS = 50;
/** Values of one list such as `status[in]=…`. */
export const MAX_VALUES = 100;
