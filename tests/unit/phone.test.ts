import { expect, test } from "vitest";
import { contacts } from "../../shared/resources/contacts.ts";
import { withE164 } from "../../shared/resources/phone.ts";

const e164 = (phone: unknown, country?: string) =>
  withE164(contacts, { phone, ...(country !== undefined && { address: { country } }) })["phone_e164"];

test.each([
  ["+1 (212) 555-0199", undefined, "+12125550199"],
  ["(212) 555-0199", "US", "+12125550199"],
  ["030 123456", "DE", "+4930123456"],
  ["+44 20 7946 0958", "DE", "+442079460958"],
  ["(212) 555-0199", undefined, null],
  ["12", "US", null],
  ["ask Ann", "US", null],
  ["030 123456", "ZZ", null],
])("%s of country %s is %s", (phone, country, number) => {
  expect(e164(phone, country)).toBe(number);
});

test("a record without a phone gets no number, one whose phone is cleared loses it", () => {
  expect(withE164(contacts, { email: "a@b.co" })).toEqual({ email: "a@b.co" });
  expect(withE164(contacts, { phone: null })).toEqual({ phone: null, phone_e164: null });
  expect(withE164(contacts, { phone: "+12125550199", address: null })).toMatchObject({ phone_e164: "+12125550199" });
});
