import { MessageConnection } from "./message_connection.ts";

const MAX_IDLE = 256;

/** Keep-alive connections to one server on loopback. */
export class UpstreamPool {
  readonly #idle: MessageConnection[] = [];

  constructor(readonly port: number) {}

  /** An open connection. @throws when nobody listens */
  async take(): Promise<MessageConnection> {
    return this.#idle.pop() ?? new MessageConnection(await Deno.connect({ hostname: "127.0.0.1", port: this.port }));
  }

  /** Keeps a connection for the next request, and forgets it when the server closes it meanwhile. */
  giveBack(connection: MessageConnection): void {
    if (this.#idle.length >= MAX_IDLE) {
      connection.close();
      return;
    }
    this.#idle.push(connection);
    // The next request's wait for its answer joins this one. Anything before, a close or bytes that
    // nobody asked for, makes the connection useless.
    connection
      .receive()
      .catch(() => false)
      .then(() => {
        const index = this.#idle.indexOf(connection);
        if (index === -1) return;
        this.#idle.splice(index, 1);
        connection.close();
      });
  }

  close(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}
