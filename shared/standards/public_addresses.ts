import ipaddr from "ipaddr.js";
import { type AddressBlock, isAmong, readAddress } from "./address_blocks.ts";

/** All of IPv6 that is given out for use in public; what is beyond is reserved or for use within a network. */
const GLOBAL_UNICAST: AddressBlock[] = [ipaddr.parseCIDR("2000::/3")];
/** Of the rest: what protocols keep for themselves, and the one public address that clouds (Azure's) answer inside with. */
const SPECIAL: AddressBlock[] = [ipaddr.parseCIDR("2001::/23"), ipaddr.parseCIDR("168.63.129.16/32")];

/**
 * Whether an address leads to one machine of the public internet. By what is allowed, so that a kind of address which
 * nobody thought of is none; in the usual spelling only, as `readBlock` has it.
 */
export function isPublicAddress(text: string): boolean {
  const address = readAddress(text);
  if (address === undefined || address.range() !== "unicast" || isAmong(SPECIAL, text)) return false;
  return address instanceof ipaddr.IPv4 || isAmong(GLOBAL_UNICAST, text);
}
