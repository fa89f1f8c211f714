import { defineConfig } from "vitest/config";
import { hasRedisServer } from "./scripts/stack/redis.ts";

// Two projects: what needs no stack, and what runs on the one that a global setup starts for all its suites.
export default defineConfig({
  test: {
    // Two files at a time, also on two processors: the suites of limits and outages spend their time waiting.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          include: ["unit", "limits", "repository"].map((folder) => `tests/${folder}/**/*.test.ts`),
          // What compares with a real Redis is no case where there is none.
          exclude: ["tests/repository/live/**", ...(hasRedisServer() ? [] : ["tests/limits/memory_parity.test.ts"])],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "api",
          include: ["contract", "database", "query", "resilience", "repository/live"].map(
            (folder) => `tests/${folder}/**/*.test.ts`,
          ),
          globalSetup: ["tests/harness/global_setup.ts"],
          // Hangs are found by it, not slowness: a shared machine may take five times as long as a quiet one.
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
