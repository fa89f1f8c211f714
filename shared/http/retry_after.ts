/** `Retry-After` as seconds from now: a number of them, or a date (RFC 9110 §10.2.3). */
export function retryAfterSeconds(retryAfter: string | null | undefined): number | undefined {
  if (retryAfter === null || retryAfter === undefined) return undefined;
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}
