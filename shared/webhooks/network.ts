/** A connection as Deno has them, plain or encrypted. */
export interface Connection {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

export interface TlsConnection extends Connection {
  /** @throws when the certificate is not that of the name */
  handshake(): Promise<unknown>;
}

/** Looks a name up. */
export type Resolve = (name: string, type: "A" | "AAAA", signal: AbortSignal) => Promise<string[]>;

/** What a connection to an address that was looked at before takes. */
export interface Sockets {
  connect(address: string, port: number): Promise<Connection>;
  /** Goes on encrypted over a connection that `connect` made. */
  startTls(connection: Connection, name: string): Promise<TlsConnection>;
}

/** The ways to others that a runtime gives; the platform's leaves some of them out, depending on its version. */
export interface Network {
  resolve: Resolve | undefined;
  sockets: Sockets | undefined;
  /** What makes `fetch` go through a proxy. */
  createProxyClient: ((proxy: URL) => object) | undefined;
}

/** What this runtime has of them. No more is asked of it than Deno 2.1 knows. */
export function ownNetwork(): Network {
  if (typeof Deno === "undefined") return { resolve: undefined, sockets: undefined, createProxyClient: undefined };
  return {
    resolve: isFunction(Deno.resolveDns) ? (name, type, signal) => Deno.resolveDns(name, type, { signal }) : undefined,
    sockets: [Deno.connect, Deno.startTls].every(isFunction) ? denoSockets : undefined,
    createProxyClient: isFunction(Deno.createHttpClient) ? createProxyClient : undefined,
  };
}

const isFunction = (value: unknown) => typeof value === "function";

const denoSockets: Sockets = {
  connect: (hostname, port) => Deno.connect({ hostname, port }),
  startTls: (connection, hostname) => Deno.startTls(connection as Deno.TcpConn, { hostname }),
};

function createProxyClient(proxy: URL): object {
  const { username, password } = credentialsOf(proxy);
  return Deno.createHttpClient({
    proxy: { url: `${proxy.protocol}//${proxy.host}`, ...(username !== "" && { basicAuth: { username, password } }) },
    poolMaxIdlePerHost: 0,
  });
}

/** What a URL says before the `@`. */
export function credentialsOf({ username, password }: URL): { username: string; password: string } {
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}
