import fc from "fast-check";
import { expect, test } from "vitest";
import { createInvitationToken, readInvitationToken } from "../../shared/auth/invitation_token.ts";

const MASTER_KEY = "a master key of at least 32 characters";
const ID = "01990f6e-2f6b-7c4e-9d1a-0123456789ab";

test("a token gives back the invitation that it was made for", () => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      const token = createInvitationToken(MASTER_KEY, id);
      expect(token).toMatch(/^inv_[0-9a-f]{32}_[\w-]{43}$/);
      expect(readInvitationToken(MASTER_KEY, token)).toBe(id);
    }),
  );
});

test("a token with any one character changed, added or cut is none", () => {
  const token = createInvitationToken(MASTER_KEY, ID);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(..."AQgw019_-=+/ é\n"), (at, char) => {
      fc.pre(token[at] !== char);
      for (const altered of [
        token.slice(0, at) + char + token.slice(at + 1),
        token.slice(0, at) + char + token.slice(at),
        token.slice(0, at),
        token + char,
      ])
        expect(readInvitationToken(MASTER_KEY, altered)).toBeUndefined();
    }),
  );
});

test("no text that we did not make is a token, nor is what another master key made", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(readInvitationToken(MASTER_KEY, text)).toBeUndefined();
    }),
  );
  expect(readInvitationToken(MASTER_KEY, createInvitationToken(`${MASTER_KEY}!`, ID))).toBeUndefined();
});

/** Made on 27 November 2026: a mail that lies in a mailbox for its seven days outlives any number of deployments. */
const KEPT = "inv_01990f6e2f6b7c4e9d1a0123456789ab_zN5O81dSwusNRRiYRz5nD9oKXsPjKTm9B8CISTaCjLU";

test("a token that was sent goes on working", () => {
  expect(readInvitationToken(MASTER_KEY, KEPT)).toBe(ID);
});
