import {
  FREE_BODY_BYTES,
  MAX_BODY_BYTES_AT_WORK,
  MAX_BODY_BYTES_AT_WORK_OF_ONE,
  MAX_CALLS_WAITING,
  MAX_UPLOADED_AT_ONCE_BYTES,
  MAX_UPLOADS_AT_ONCE,
  MAX_WAIT_MS,
} from "../bounds.ts";
import { ByteBudget } from "../limits/byte_budget.ts";
import { crowded, Gate } from "../limits/gate.ts";

/** One body on its way in. */
export interface Upload {
  /** Counts bytes that have come; waits, with the rest still at the client, while its owner has others on the way. */
  arrived(bytes: number): Promise<void>;
  /** It is worked on, or won't be. */
  end(): void;
}

/**
 * What an isolate holds of bodies at once. Until it is worked on a large one takes a place of its owner's own, so that
 * somebody who sends slowly holds up nobody else; only once it is here does it take a part of what all share, until its
 * answer: parsed it is many times as large.
 */
export class BodyPlaces {
  private readonly uploads = new Gate({
    places: { upload: MAX_UPLOADS_AT_ONCE },
    maxWaiting: MAX_CALLS_WAITING,
    maxWaitMs: MAX_WAIT_MS,
  });
  private readonly atWork = new ByteBudget({
    maxBytesOfOne: MAX_BODY_BYTES_AT_WORK_OF_ONE,
    maxBytes: MAX_BODY_BYTES_AT_WORK,
    maxWaitMs: MAX_WAIT_MS,
  });
  private uploaded = 0;

  upload(owner: string): Upload {
    let received = 0;
    let leave: (() => void) | undefined;
    return {
      arrived: async (bytes) => {
        received += bytes;
        this.uploaded += bytes;
        if (received > FREE_BODY_BYTES) leave ??= await this.uploads.enter(owner, "upload");
        if (this.uploaded > MAX_UPLOADED_AT_ONCE_BYTES) throw crowded();
      },
      end: () => {
        this.uploaded -= received;
        leave?.();
      },
    };
  }

  /** Resolves with what ends the work on a body that is here. @throws ApiError `too_many_concurrent_requests` */
  async work(owner: string, bytes: number): Promise<() => void> {
    return bytes > FREE_BODY_BYTES ? await this.atWork.take(owner, bytes) : () => {};
  }
}
