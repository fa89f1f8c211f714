import { expect, test } from "vitest";
import { codeOf, filesIn, importsOf } from "./source_files.ts";

// The function is held against Supabase's edge runtime (Deno 2.1, V8 13.0, no file system, no threads), not against
// the newer Deno that runs it here. The list of globals is supabase/edge-runtime's ext/runtime/js/bootstrap.js.
const code = [...filesIn("functions"), ...filesIn("shared")].filter((path) => path.endsWith(".ts"));

const ABSENT: Record<string, RegExp> = {
  "Deno, but for serve, env and sockets":
    /\bDeno\.(?!serve\b|env\b|resolveDns\b|connect\b|startTls\b|createHttpClient\b|TcpConn\b)\w+/,
  "Node's globals": /(?<![\w.])(?:process|global|setImmediate|clearImmediate|require|__dirname|__filename)\b\s*[.([]/,
  threads: /\bnew (?:Shared)?Worker\b|\bAtomics\b|\bSharedArrayBuffer\b/,
  "code made from text": /(?<![\w.])eval\s*\(|\bnew Function\s*\(/,
  "browser storage": /\b(?:localStorage|sessionStorage|indexedDB)\b/,
  "methods newer than V8 13.0": /\.(?:toBase64|fromBase64|toHex|fromHex|getOrInsert|getOrInsertComputed)\(/,
  "functions newer than V8 13.0":
    /\b(?:RegExp\.escape|Error\.isError|Math\.(?:sumPrecise|f16round)|Iterator\.(?:concat|zip))\b/,
  "objects newer than V8 13.0": /\bTemporal\.|\bFloat16Array\b|^\s*(?:await )?using \w+ =/,
};

const NODE_MODULES = ["node:buffer", "node:crypto"];

test.each(Object.entries(ABSENT))("the function does without what the edge runtime lacks: %s", (_name, pattern) => {
  const uses = code.flatMap((path) =>
    codeOf(path)
      .split("\n")
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
  expect(uses).toEqual([]);
});

test("files that use Buffer import it from node:buffer: on the edge it is no global", () => {
  const users = code.filter((path) => /(?<![\w."])Buffer\b/.test(codeOf(path)));
  expect(users.filter((path) => !importsOf(path).includes("node:buffer"))).toEqual([]);
});

test("imports are own files, packages of deno.json, or what the edge has of Node", () => {
  const foreign = code.flatMap((path) =>
    importsOf(path)
      .filter((name) => /^(?:npm|jsr|https?):/.test(name) || (name.startsWith("node:") && !NODE_MODULES.includes(name)))
      .map((name) => `${path}: ${name}`),
  );
  expect(foreign).toEqual([]);
});

test("only shared/webhooks/network.ts uses sockets, and looks first whether there are any", () => {
  const users = code.filter((path) => /\bDeno\.(?!serve\b|env\b)/.test(codeOf(path)));
  expect(users).toEqual(["shared/webhooks/network.ts"]);
  const [, looked = ""] = /function ownNetwork.*?\{(.*?)\n\}/s.exec(codeOf("shared/webhooks/network.ts")) ?? [];
  const used = [...codeOf("shared/webhooks/network.ts").matchAll(/\bDeno\.(\w+)\(/g)].map(([, name]) => name);
  expect(used.length).toBeGreaterThan(3);
  expect(used.filter((name) => !looked.includes(`Deno.${name}`))).toEqual([]);
});

test("only shared/config.ts reads the environment, and only the entry file serves", () => {
  expect(code.filter((path) => /\bDeno\.env\b/.test(codeOf(path)))).toEqual(["shared/config.ts"]);
  expect(code.filter((path) => /\bDeno\.serve\b/.test(codeOf(path)))).toEqual(["functions/api/index.ts"]);
});
