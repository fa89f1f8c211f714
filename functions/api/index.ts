import { readConfig } from "../../shared/config.ts";
import { createApp } from "./app.ts";

Deno.serve(createApp(readConfig()).fetch);
