import process from "node:process";

// Each is a program of its own that starts a stack and ends with it.
await import(process.argv.includes("--attacks") ? "./attacks.ts" : "./bench.ts");
