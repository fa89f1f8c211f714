import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A certificate with its key, both as PEM. */
export interface Certificate {
  cert: string;
  key: string;
}

/** What signs certificates of names: those that it has made, and no others, are trusted by who trusts `cert`. */
export interface Authority {
  cert: string;
  issue(name: string): Certificate;
}

/** A new authority. Nothing of it is kept: no private key lies in the repository. */
export function createAuthority(): Authority {
  const { privateKey, publicKey } = newKeys();
  const issuer = nameOf("Test authority");
  const isAuthority = extension("551d13", sequence(Buffer.from("0101ff", "hex")));
  return {
    cert: certify({ issuer, subject: issuer, publicKey, signer: privateKey, extensions: [isAuthority] }),
    issue(name) {
      const keys = newKeys();
      const names = extension("551d11", sequence(der(0x82, Buffer.from(name))));
      return {
        cert: certify({
          issuer,
          subject: nameOf(name),
          publicKey: keys.publicKey,
          signer: privateKey,
          extensions: [names],
        }),
        key: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      };
    },
  };
}

const newKeys = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

interface Certified {
  issuer: Buffer;
  subject: Buffer;
  publicKey: KeyObject;
  signer: KeyObject;
  extensions: Buffer[];
}

/** An X.509 certificate (RFC 5280 §4.1) for as long as the tests of a century. */
function certify({ issuer, subject, publicKey, signer, extensions }: Certified): string {
  const algorithm = sequence(oid("2a8648ce3d040302")); // ecdsa-with-SHA256
  const version = der(0xa0, integer(2));
  const validity = sequence(der(0x18, Buffer.from("20200101000000Z")), der(0x18, Buffer.from("21200101000000Z")));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const more = der(0xa3, sequence(...extensions));
  const body = sequence(version, integer(1), algorithm, issuer, validity, subject, spki, more);
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, signer));
  const lines = sequence(body, algorithm, signature)
    .toString("base64")
    .match(/.{1,64}/g);
  return `-----BEGIN CERTIFICATE-----\n${lines?.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const integer = (value: number) => der(0x02, Buffer.from([value]));
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const nameOf = (name: string) => sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(name)))));
const extension = (id: string, value: Buffer) => sequence(oid(id), der(0x01, Buffer.from([0xff])), der(0x04, value));
