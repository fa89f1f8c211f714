import { MAX_ANSWER_BYTES, MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_KEPT_BYTES } from "../bounds.ts";
import { AttemptFailure } from "./failure.ts";

/** Where bytes come from, as a connection gives them. */
export interface ByteSource {
  read(into: Uint8Array): Promise<number | null>;
}

/** Status line and headers; of a header that is there twice the first. */
export interface AnswerHead {
  status: number;
  headers: ReadonlyMap<string, string>;
}

export interface Answer extends AnswerHead {
  /** The beginning of the body. */
  body: Uint8Array;
}

const CHUNK_BYTES = 16 * 1024;
const STATUS_LINE = /^HTTP\/1\.[01] ([1-9]\d\d)(?: .*)?$/;
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~\w]+):[\t ]*(.*?)[\t ]*$/;

/**
 * Reads an answer of HTTP/1.1 on a connection that ends with it (RFC 9112). Never more than `MAX_ANSWER_BYTES` of it: a body
 * that goes on is left alone then.
 * @throws AttemptFailure `protocol` or `connection`
 */
export async function readAnswer(source: ByteSource): Promise<Answer> {
  const reader = new AnswerReader(source);
  let head = await reader.head();
  // An interim answer, such as 103, comes before the real one. 101 is none: nothing of HTTP follows it.
  while (head.status < 200 && head.status !== 101) head = await reader.head();
  return { ...head, body: await reader.body(head) };
}

/** What is read of a connection, piece by piece. */
export class AnswerReader {
  #source: ByteSource;
  #buffer = new Uint8Array(0);
  #taken = 0;
  #headTaken = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Whether nothing has come beyond what was read. */
  get isAtEndOfHead(): boolean {
    return this.#buffer.length === 0;
  }

  async head(): Promise<AnswerHead> {
    const [, status] = STATUS_LINE.exec(await this.#headLine()) ?? [];
    if (status === undefined) throw malformed();
    const headers = new Map<string, string>();
    for (let line = await this.#headLine(); line !== ""; line = await this.#headLine()) {
      const [, name, value = ""] = HEADER_LINE.exec(line) ?? [];
      if (name === undefined) throw malformed();
      const key = name.toLowerCase();
      if (!headers.has(key)) headers.set(key, value);
      else if (key === "content-length" && headers.get(key) !== value) throw malformed();
    }
    return { status: Number(status), headers };
  }

  /** The beginning of the body, which is read to its end or to the bound. */
  async body({ status, headers }: AnswerHead): Promise<Uint8Array> {
    const kept = new KeptBytes();
    if (status < 200 || status === 204 || status === 304) return kept.bytes;
    const encoding = headers.get("transfer-encoding");
    const length = headers.get("content-length");
    if (encoding !== undefined) {
      if (!/(?:^|,)[\t ]*chunked$/i.test(encoding)) throw malformed();
      await this.#chunks(kept);
    } else if (length !== undefined) {
      if (!/^\d+$/.test(length)) throw malformed();
      await this.#exactly(Number(length), kept);
    } else {
      do this.#take(this.#buffer.length, kept);
      while (await this.#fill());
    }
    return kept.bytes;
  }

  async #chunks(kept: KeptBytes): Promise<void> {
    while (!this.#isFull) {
      const line = await this.#line();
      if (line === undefined) return; // The bound
      const [, size] = /^([\da-f]{1,12})[\t ]*(?:;.*)?$/i.exec(line) ?? [];
      if (size === undefined) throw malformed();
      if (/^0+$/.test(size)) return;
      if (!(await this.#exactly(Number.parseInt(size, 16), kept))) return;
      const end = await this.#line();
      if (end !== undefined && end !== "") throw malformed();
    }
  }

  /** Whether all of it came before the bound. @throws AttemptFailure when the connection ended before */
  async #exactly(length: number, kept: KeptBytes): Promise<boolean> {
    let left = length;
    while (left > 0) {
      if (this.#buffer.length === 0 && !(await this.#fill())) {
        if (this.#isFull) return false;
        throw brokenOff();
      }
      left -= this.#take(Math.min(left, this.#buffer.length), kept);
    }
    return true;
  }

  async #headLine(): Promise<string> {
    const before = this.#taken - this.#buffer.length;
    const line = await this.#line(MAX_ANSWER_HEAD_BYTES - this.#headTaken);
    if (line === undefined) throw malformed();
    this.#headTaken += this.#taken - this.#buffer.length - before;
    return line;
  }

  /** A line without its end; undefined when the bound came first. */
  async #line(most = MAX_ANSWER_HEAD_BYTES): Promise<string | undefined> {
    let end = this.#buffer.indexOf(10);
    while (end === -1) {
      if (this.#buffer.length > most) throw malformed();
      if (!(await this.#fill())) {
        if (this.#isFull) return undefined;
        throw brokenOff();
      }
      end = this.#buffer.indexOf(10);
    }
    if (end > most) throw malformed();
    const line = new TextDecoder("latin1").decode(this.#buffer.subarray(0, end));
    this.#buffer = this.#buffer.subarray(end + 1);
    return line.replace(/\r$/, "");
  }

  #take(length: number, kept: KeptBytes): number {
    kept.add(this.#buffer.subarray(0, length));
    this.#buffer = this.#buffer.subarray(length);
    return length;
  }

  get #isFull(): boolean {
    return this.#taken >= MAX_ANSWER_BYTES;
  }

  /** Reads on; false at the end of the connection and at the bound. */
  async #fill(): Promise<boolean> {
    if (this.#isFull) return false;
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, MAX_ANSWER_BYTES - this.#taken));
    const count = await this.#read(chunk);
    if (count === null) return false;
    this.#taken += count;
    const buffer = new Uint8Array(this.#buffer.length + count);
    buffer.set(this.#buffer);
    buffer.set(chunk.subarray(0, count), this.#buffer.length);
    this.#buffer = buffer;
    return true;
  }

  async #read(into: Uint8Array): Promise<number | null> {
    try {
      return await this.#source.read(into);
    } catch (error) {
      // Many servers end TLS without saying so.
      if (error instanceof Error && error.name === "UnexpectedEof") return null;
      throw error;
    }
  }
}

/** The first bytes of all that come. */
export class KeptBytes {
  #kept = new Uint8Array(MAX_ANSWER_KEPT_BYTES);
  #length = 0;

  add(bytes: Uint8Array): void {
    const first = bytes.subarray(0, MAX_ANSWER_KEPT_BYTES - this.#length);
    this.#kept.set(first, this.#length);
    this.#length += first.length;
  }

  get bytes(): Uint8Array {
    return this.#kept.subarray(0, this.#length);
  }
}

/** The beginning of a body as text that Postgres takes, in no more bytes than are kept. */
export function keptText(bytes: Uint8Array): string {
  // A character that was cut off at the end is left out; NUL, which no text of Postgres may have, is replaced.
  const text = new TextDecoder().decode(bytes, { stream: true }).replaceAll("\0", "\ufffd");
  const encoded = new Uint8Array(MAX_ANSWER_KEPT_BYTES);
  const { written } = new TextEncoder().encodeInto(text, encoded);
  return new TextDecoder().decode(encoded.subarray(0, written));
}

function malformed(): AttemptFailure {
  return new AttemptFailure("protocol", "The answer is not HTTP/1.1.");
}

function brokenOff(): AttemptFailure {
  return new AttemptFailure("connection", "The connection ended before the answer did.");
}
