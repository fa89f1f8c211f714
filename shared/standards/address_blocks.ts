import ipaddr from "ipaddr.js";

/** A network, as its first address and how many bits of it count. */
export type AddressBlock = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/**
 * Reads an address or a CIDR block of IPv4 or IPv6; undefined for what is neither. Only the usual spellings count: 010.0.0.1
 * or 0x7f.1 mean one network to this reader and another to the next.
 */
export function readBlock(text: string): AddressBlock | undefined {
  const [address = "", bits, ...rest] = text.split("/");
  if (rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return undefined;
  const parsed = readAddress(address);
  if (parsed === undefined) return undefined;
  // An IPv4 address that is written as IPv6 has the 96 bits of its prefix before its own.
  const isMapped = parsed.kind() === "ipv4" && address.includes(":");
  const most = isMapped ? 128 : parsed.kind() === "ipv4" ? 32 : 128;
  const given = bits === undefined ? most : Number(bits);
  const counted = isMapped ? given - 96 : given;
  if (given > most || counted < 0) return undefined;
  const network = parsed.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
  return [network.networkAddressFromCIDR(`${parsed.toString()}/${counted}`), counted];
}

/** A block in its one spelling: `192.0.2.0/24`, `2001:db8::/32`, and a single address without its length. */
export function writeBlock([address, bits]: AddressBlock): string {
  const isWhole = bits === (address.kind() === "ipv4" ? 32 : 128);
  return isWhole ? address.toString() : `${address.toString()}/${bits}`;
}

/** Whether an address lies in one of the blocks. What is no address lies in none. */
export function isAmong(blocks: readonly AddressBlock[], text: string): boolean {
  const address = readAddress(text);
  return (
    address !== undefined && blocks.some((block) => block[0].kind() === address.kind() && address.match(...cidr(block)))
  );
}

// The library's types want each kind by itself.
function cidr([address, bits]: AddressBlock): [ipaddr.IPv4 & ipaddr.IPv6, number] {
  return [address as ipaddr.IPv4 & ipaddr.IPv6, bits];
}

/** An address in its usual spelling; one of IPv4 that is written as IPv6 is the one of IPv4. */
export function readAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text)) return undefined;
  return ipaddr.isValid(text) ? ipaddr.process(text) : undefined;
}
