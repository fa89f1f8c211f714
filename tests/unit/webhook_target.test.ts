import { expect, test } from "vitest";
import { isPublicAddress } from "../../shared/standards/public_addresses.ts";
import { checkUrl, resolveTarget } from "../../shared/webhooks/target.ts";
import { INNER_HOSTS, REFUSED_URLS } from "../harness/refused_urls.ts";

const rules = { allowLoopback: false };
const { signal } = new AbortController();

test("there are more than sixty spellings of where a webhook may not go", () => {
  expect(new Set(INNER_HOSTS).size).toBeGreaterThan(90);
});

test.each([...INNER_HOSTS.map((host) => `https://${host}/`), ...REFUSED_URLS])("%j is refused by its text", (url) => {
  expect(checkUrl(url, rules)).toMatch(/^The url field .*\.$/);
  expect(checkUrl(url, { allowLoopback: true })).toMatch(/^The url field .*\.$/);
});

test.each(INNER_HOSTS)(
  "http://%s/ is refused, where this machine is allowed too unless it is spelled plainly",
  (host) => {
    expect(checkUrl(`http://${host}/`, rules)).toContain("begin with https://");
    const isPlain = ["127.0.0.1", "[::1]", "localhost", "LOCALHOST"].includes(host);
    expect(checkUrl(`http://${host}:8080/`, { allowLoopback: true }) === undefined).toBe(isPlain);
  },
);

test.each([
  "https://hooks.example.com",
  "https://hooks.example.com/crm?tenant=1&x=%20",
  "HTTPS://Hooks.Example.com:443/",
  "https://hooks.example.com:8443/",
  "https://hooks.example.com:3000/",
  "https://hooks.example.com:80/",
  "https://hooks.example.com./",
  "https://bücher.example.com/",
  "https://xn--bcher-kva.example.com/",
  "https://1.1.1.1/",
  "https://[2606:4700::1111]/",
  `https://hooks.example.com/${"a".repeat(1974)}`,
])("%s is allowed", (url) => {
  expect(checkUrl(url, rules)).toBeUndefined();
});

test("this API is no receiver, whichever way it is written; on this machine only its ports are its own", () => {
  const ownUrls = ["https://abcdefghijklmnopqrst.supabase.co", "https://crm.example.com/api"];
  for (const url of ["https://CRM.example.com/hook", "https://crm.example.com.:8443/", `${ownUrls[0]}/rest/v1`])
    expect(checkUrl(url, { ...rules, ownUrls })).toBe("The url field may not lead to this API.");
  expect(checkUrl("https://hooks.crm.example.com/", { ...rules, ownUrls })).toBeUndefined();
  const local = { allowLoopback: true, ownUrls: ["http://127.0.0.1:54321"] };
  expect(checkUrl("http://localhost:54321/functions/v1/api", local)).toBe("The url field may not lead to this API.");
  expect(checkUrl("http://127.0.0.1:54329/", local)).toBeUndefined();
});

const target = (url: string, found: Record<"A" | "AAAA", string[]>, allowed = rules) =>
  resolveTarget(url, allowed, { resolve: async (_name, type) => found[type], signal });

test("a name leads to its addresses, those of IPv4 first, asked for as a whole name", async () => {
  const asked: string[] = [];
  const resolve = async (name: string, type: "A" | "AAAA") => {
    asked.push(`${type} ${name}`);
    return { A: ["1.1.1.1", "1.0.0.1"], AAAA: ["2606:4700::1111"] }[type];
  };
  expect(await resolveTarget("https://Hooks.example.com.:8443/crm", rules, { resolve, signal })).toMatchObject({
    tlsName: "hooks.example.com",
    port: 8443,
    addresses: ["1.1.1.1", "1.0.0.1", "2606:4700::1111"],
  });
  expect(asked).toEqual(["A hooks.example.com.", "AAAA hooks.example.com."]);
});

test.each([
  [["10.0.0.1"], []],
  [["1.1.1.1", "10.0.0.1"], []],
  [["1.1.1.1"], ["::1"]],
  [["1.1.1.1"], ["::ffff:10.0.0.1"]],
  [[], ["2606:4700::1111", "fe80::1"]],
  [["1.1.1.1"], ["64:ff9b::a00:1"]],
  [["not an address"], []],
])("a name with the addresses %j and %j is refused", async (A, AAAA) => {
  await expect(target("https://hooks.example.com/", { A, AAAA })).rejects.toMatchObject({ kind: "url_not_allowed" });
});

test("a name without an address, or one that can't be looked up, leads nowhere", async () => {
  const url = "https://hooks.example.com/";
  await expect(target(url, { A: [], AAAA: [] })).rejects.toMatchObject({ kind: "dns" });
  const failing = async (_name: string, type: "A" | "AAAA") => {
    if (type === "AAAA") throw new Error("SERVFAIL");
    return ["1.1.1.1"];
  };
  await expect(resolveTarget(url, rules, { resolve: failing, signal })).rejects.toMatchObject({ kind: "dns" });
  const without = resolveTarget(url, rules, { resolve: undefined, signal });
  await expect(without).rejects.toMatchObject({ kind: "dns", message: expect.stringContaining("from here") });
});

test("this machine is asked for by address", async () => {
  const local = { allowLoopback: true };
  const none = { A: [], AAAA: [] };
  expect(await target("http://localhost:8080/", none, local)).toMatchObject({
    tlsName: undefined,
    addresses: ["127.0.0.1", "::1"],
  });
  expect(await target("http://[::1]:8080/", none, local)).toMatchObject({ port: 8080, addresses: ["::1"] });
});

test.each([
  ["1.1.1.1", true],
  ["100.63.255.255", true],
  ["100.128.0.0", true],
  ["172.32.0.0", true],
  ["223.255.255.255", true],
  ["2001:4860:4860::8888", true],
  ["2a00:1450:4001:82a::200e", true],
  ["::ffff:1.1.1.1", true],
  ["::ffff:192.168.0.1", false],
  ["0x01010101", false],
  ["16843009", false],
  ["01.1.1.1", false],
  ["fe80::1%eth0", false],
  ["", false],
])("whether %j is a public address: %s", (address, isPublic) => {
  expect(isPublicAddress(address)).toBe(isPublic);
});
