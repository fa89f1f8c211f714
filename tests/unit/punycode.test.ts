import { domainToUnicode } from "node:url";
import { expect, test } from "vitest";
import { shownDomain } from "../../shared/standards/punycode.ts";

test.each([
  "bücher.example",
  "www.straße-müller.example",
  "例え.テスト",
  "пример.испытание",
  "παράδειγμα.δοκιμή",
  "مثال.إختبار",
  "उदाहरण.परीक्षा",
  "실례.테스트",
  "i❤.example",
  "😀😀a.example",
  "plain.example",
])("%s is read from what DNS has", (domain) => {
  const { hostname } = new URL(`https://${domain}/`);
  expect(shownDomain(hostname)).toBe(domainToUnicode(hostname));
  expect(shownDomain(hostname)).toBe(domain.normalize("NFKC").toLowerCase());
});

test.each(["xn--", "xn--99999999999", "xn--a-é", "xn--zzzzzzzzzzzzzzzz"])("%s stays what it is, or ends", (label) => {
  expect(shownDomain(`${label}.example`)).toMatch(/\.example$/);
});
