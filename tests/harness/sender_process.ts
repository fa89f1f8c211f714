import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { denoEnvironment } from "../../scripts/stack/deno_environment.ts";
import { DENO, ROOT } from "../../scripts/stack/settings.ts";
import type { Outcome } from "../../shared/webhooks/send.ts";
import type { SenderOrder } from "./webhook_sender.ts";

/** What became of an order. */
export interface SenderResult {
  outcome?: Outcome;
  /** Why the URL is refused, when it was only checked. */
  refusal?: string;
  connection: string;
  /** The addresses that were connected to, in order. */
  connected: string[];
  /** The events that were logged meanwhile. */
  logged: string[];
}

/** The sender in Deno, with the rights that the function has. */
export interface SenderProcess {
  follow(order: SenderOrder): Promise<SenderResult>;
  close(): void;
}

/** Starts it; it trusts what `authority` has signed. */
export function startSenderProcess(authority: string): SenderProcess {
  const folder = mkdtempSync(join(tmpdir(), "crm-sender-"));
  const certificates = join(folder, "authority.pem");
  writeFileSync(certificates, authority);
  const child = spawn(
    DENO,
    [
      "run",
      "--no-prompt",
      "--quiet",
      "--no-remote",
      "--allow-net",
      `--cert=${certificates}`,
      "--config",
      join(ROOT, "deno.json"),
      "--node-modules-dir=manual",
      join(ROOT, "tests/harness/webhook_sender.ts"),
    ],
    { env: denoEnvironment(folder), stdio: ["pipe", "pipe", "inherit"] },
  );
  const waiting: { resolve(result: SenderResult): void; reject(error: Error): void }[] = [];
  createInterface(child.stdout).on("line", (line) => waiting.shift()?.resolve(JSON.parse(line)));
  child.on("exit", () => {
    for (const { reject } of waiting.splice(0)) reject(new Error("The sender's process has ended."));
  });
  return {
    follow(order) {
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin.write(`${JSON.stringify(order)}\n`);
      });
    },
    close() {
      child.stdin.end();
      child.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
