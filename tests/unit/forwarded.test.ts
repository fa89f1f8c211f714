import { expect, test } from "vitest";
import { clientAddress, forwardedProtocol } from "../../shared/http/forwarded.ts";

const from = (headers: Record<string, string>) => new Request("http://x/", { headers });
const address = (hops: string, trusted: number) => clientAddress(from({ "x-forwarded-for": hops }), trusted);

test("the address is what the outermost trusted proxy saw, never what the client wrote in front of it", () => {
  expect(address("6.6.6.6, 192.0.2.1", 1)).toBe("192.0.2.1");
  expect(address("6.6.6.6, 192.0.2.1, 10.0.0.1", 2)).toBe("192.0.2.1");
  expect(address(" 192.0.2.1 ", 1)).toBe("192.0.2.1");
});

test("without enough hops the first one counts; without the header or a trusted proxy nobody is known", () => {
  expect(address("192.0.2.1", 3)).toBe("192.0.2.1");
  expect(address("192.0.2.1", 0)).toBe("unknown");
  expect(clientAddress(from({}), 1)).toBe("unknown");
  expect(address("x".repeat(1000), 1)).toHaveLength(64);
});

test("the protocol is what the proxy nearest to us says", () => {
  expect(forwardedProtocol(from({ "x-forwarded-proto": "https, http" }))).toBe("http");
  expect(forwardedProtocol(from({ "x-forwarded-proto": "http, HTTPS" }))).toBe("https");
  expect(forwardedProtocol(from({}))).toBeUndefined();
});
