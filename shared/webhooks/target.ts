import { MAX_WEBHOOK_URL_LENGTH } from "../bounds.ts";
import { readAddress } from "../standards/address_blocks.ts";
import { BLOCKED_PORTS } from "../standards/blocked_ports.ts";
import { isPublicAddress } from "../standards/public_addresses.ts";
import { AttemptFailure } from "./failure.ts";
import type { Resolve } from "./network.ts";

/** Where webhooks may go beside the public internet, and where not even there. */
export interface TargetRules {
  /** Whether this machine is allowed as `http://127.0.0.1`, `http://[::1]` or `http://localhost`, as on a local stack. */
  allowLoopback: boolean;
  /** Where we answer ourselves. */
  ownUrls?: readonly string[];
  /** Whether a proxy looks names up, and refuses addresses, where this runtime can't. */
  isProxied?: boolean;
}

/** Where a URL leads: addresses that have been looked at, the ones of IPv4 first; none when that is a proxy's work. */
export interface Target {
  url: URL;
  /** What the certificate has to be of; undefined for this machine, which speaks http. */
  tlsName: string | undefined;
  port: number;
  addresses: readonly string[];
}

const LOOPBACK_URL = /^http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?::\d+)?(?:[/?#]|$)/i;
const LOOPBACK_ADDRESSES = ["127.0.0.1", "::1"];
// Names of a network's own (RFC 6761, 6762, 7686, 8375, and "internal", which ICANN keeps free for that).
const PRIVATE_NAME = /(?:^|\.)(?:localhost|localdomain|local|internal|home\.arpa|onion)$/;

/** Why a webhook may not go to a URL, by its text alone; undefined when it may. */
export function checkUrl(text: string, { allowLoopback, ownUrls = [] }: TargetRules): string | undefined {
  if (text.length > MAX_WEBHOOK_URL_LENGTH)
    return `The url field may not be longer than ${MAX_WEBHOOK_URL_LENGTH.toLocaleString("en-US")} characters.`;
  // The parser drops or turns these, so that the URL would read otherwise than what is called.
  if (/[\s\\\p{Cc}]/u.test(text) || !/^[a-z]+:\/\/[^/]/i.test(text) || !URL.canParse(text))
    return "The url field must be a URL such as https://hooks.example.com/crm.";
  const url = new URL(text);
  const isLoopback = allowLoopback && LOOPBACK_URL.test(text);
  if (url.protocol !== "https:" && !isLoopback)
    return `The url field must begin with https://${allowLoopback ? ", or for this machine with http://127.0.0.1" : ""}.`;
  // An empty one is gone once the URL is parsed.
  if (/^[a-z]+:\/*[^/?#]*@/i.test(text)) return "The url field may not hold a user name or a password.";
  if (text.includes("#")) return "The url field may not have a fragment (#).";
  if (BLOCKED_PORTS.has(portOf(url))) return `The url field may not name port ${url.port}, which is not for HTTP.`;
  if (ownUrls.some((own) => isSame(new URL(own), url, isLoopback))) return "The url field may not lead to this API.";
  if (isLoopback) return undefined;
  const host = hostOf(url);
  if (readAddress(host) !== undefined) return isPublicAddress(host) ? undefined : notPublic(host);
  if (!host.includes(".") || PRIVATE_NAME.test(host))
    return "The url field must have a host name of the public internet.";
  return undefined;
}

/**
 * The addresses that a URL leads to now. One of them that is not public makes all of them none: whoever answers for the name
 * decides which of them is tried.
 * @throws AttemptFailure `url_not_allowed`, or `dns` when that can't be told
 */
export async function resolveTarget(
  text: string,
  rules: TargetRules,
  { resolve, signal }: { resolve: Resolve | undefined; signal: AbortSignal },
): Promise<Target> {
  const refusal = checkUrl(text, rules);
  if (refusal !== undefined) throw new AttemptFailure("url_not_allowed", refusal);
  const url = new URL(text);
  const port = portOf(url);
  const host = hostOf(url);
  if (url.protocol === "http:") {
    const addresses = host === "localhost" ? LOOPBACK_ADDRESSES : [host];
    return { url, tlsName: undefined, port, addresses };
  }
  if (readAddress(host) !== undefined) return { url, tlsName: host, port, addresses: [host] };
  if (resolve === undefined && rules.isProxied) return { url, tlsName: host, port, addresses: [] };
  if (resolve === undefined) throw new AttemptFailure("dns", "The host of the url field can't be looked up from here.");
  const found = await Promise.all([lookUp(resolve, host, "A", signal), lookUp(resolve, host, "AAAA", signal)]);
  const addresses = found.flat();
  if (addresses.length === 0) throw new AttemptFailure("dns", `The host of the url field, ${host}, has no address.`);
  const refused = addresses.find((address) => !isPublicAddress(address));
  if (refused !== undefined) throw new AttemptFailure("url_not_allowed", notPublic(refused));
  return { url, tlsName: host, port, addresses };
}

async function lookUp(resolve: Resolve, name: string, type: "A" | "AAAA", signal: AbortSignal): Promise<string[]> {
  try {
    // With the dot at its end it is no name of the network that we are in.
    return await resolve(`${name}.`, type, signal);
  } catch (cause) {
    if (cause instanceof Error && cause.name === "NotFound") return [];
    throw new AttemptFailure("dns", `The host of the url field, ${name}, could not be looked up. Try again later.`, {
      cause,
    });
  }
}

const notPublic = (address: string) => `The url field must lead to public addresses only; ${address} is not one.`;

function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

/** The name or the address, as DNS and certificates have it: without brackets, and without a dot at its end. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

// On this machine every port is somebody else's.
function isSame(own: URL, url: URL, isLoopback: boolean): boolean {
  if (isLoopback) return LOOPBACK_URL.test(own.href) && portOf(own) === portOf(url);
  return hostOf(own) === hostOf(url);
}
