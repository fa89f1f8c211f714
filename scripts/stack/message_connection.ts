import { Buffer } from "node:buffer";

const MAX_HEAD_BYTES = 32 * 1024;
const BUFFER_BYTES = 64 * 1024;
/** How long a head may take once it has begun: who sends a byte now and then holds no connection. */
const MAX_HEAD_MS = 5_000;

/** What stands between two HTTP messages and a reader: the start line and the header lines. */
export interface MessageHead {
  startLine: string;
  /** Name in lower case, and the line as it came. */
  fields: { name: string; line: string }[];
  /** The first value of a field, trimmed. */
  value(name: string): string | undefined;
  /** How many bytes of the connection's buffer it fills, the blank line included. */
  byteLength: number;
}

/** A request or an answer that breaks HTTP's rules. */
export class MalformedMessage extends Error {}

/** A connection that carries HTTP/1.1 messages; not a byte of them is changed. */
export class MessageConnection {
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #reading: Promise<boolean> | undefined;
  #isClosed = false;

  constructor(readonly socket: Deno.TcpConn) {
    socket.setNoDelay(true);
  }

  /** The bytes that were received and not consumed. */
  get received(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  consume(byteLength: number): void {
    this.#start += byteLength;
  }

  /** Writes all of them. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length; ) written += await this.socket.write(bytes.subarray(written));
  }

  close(): void {
    if (!this.#isClosed) this.socket.close();
    this.#isClosed = true;
  }

  /** Waits for more bytes; false when the other side has closed. A second caller shares the wait. */
  receive(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    else if (this.#end === BUFFER_BYTES) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.socket.read(this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    return true;
  }

  /** The next head, left in the buffer; undefined when the other side closed before its first byte. */
  async head(): Promise<MessageHead | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      return await this.#readHead(() => {
        timer ??= setTimeout(() => this.close(), MAX_HEAD_MS);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async #readHead(onBegun: () => void): Promise<MessageHead | undefined> {
    for (;;) {
      const end = this.#buffer.subarray(0, this.#end).indexOf("\r\n\r\n", this.#start, "latin1");
      if (end !== -1) return parseHead(this.#buffer.toString("latin1", this.#start, end));
      if (this.#end - this.#start > MAX_HEAD_BYTES) throw new MalformedMessage("the head is too long");
      const wasEmpty = this.#start === this.#end;
      if (!wasEmpty) onBegun();
      if (await this.receive()) continue;
      if (wasEmpty) return undefined;
      throw new MalformedMessage("the connection closed inside a head");
    }
  }
}

function parseHead(text: string): MessageHead {
  const [startLine = "", ...lines] = text.split("\r\n");
  const fields = lines.map((line) => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new MalformedMessage("a header line has no name");
    return { name: line.slice(0, colon).toLowerCase(), line };
  });
  return {
    startLine,
    fields,
    byteLength: text.length + 4,
    value: (name) =>
      fields
        .find((field) => field.name === name)
        ?.line.slice(name.length + 1)
        .trim(),
  };
}
