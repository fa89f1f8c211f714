/** Why an attempt got no answer. */
export type FailureKind = "timeout" | "dns" | "connection" | "tls" | "protocol" | "url_not_allowed";

/** An attempt that ended without an answer. Its message may be shown to whoever made the webhook. */
export class AttemptFailure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
