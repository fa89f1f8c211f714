// The packages of the function, and nothing done with them: how fast anything built on them could answer.
import { createClient } from "@supabase/supabase-js";
import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";
import { Hono } from "hono";
import { jwtVerify, SignJWT } from "jose";
import { parsePhoneNumberFromString } from "libphonenumber-js/min";
import { z } from "zod";

const app = new Hono();
const packages = [createClient, Ratelimit, Redis, SignJWT, jwtVerify, parsePhoneNumberFromString, z];
app.get("/api/v1/health", () => Response.json({ data: packages.length }));
Deno.serve(app.fetch);
