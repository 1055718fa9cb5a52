// What the Node clients print: one line for each operation, alike for equal replies.
import { createRequire } from "node:module";

// PACKAGES is the folder they were installed in.
export const packages = createRequire(`${process.env.PACKAGES}/`);

function plain(value) {
  if (Buffer.isBuffer(value)) return { hex: value.toString("hex") };
  if (value instanceof Error) return { error: value.message };
  if (value instanceof Map) return { map: [...value].map(([k, v]) => [plain(k), plain(v)]) };
  if (value instanceof Set) return { set: sorted([...value].map(plain)) };
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  }
  return value === undefined ? "undefined" : value;
}

export const sorted = (items) => [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

export function say(name, value) {
  console.log(`${name}: ${JSON.stringify(plain(value))}`);
}

export async function attempt(name, operation) {
  try {
    say(name, await operation());
  } catch (error) {
    say(name, error);
    if (error.errorReplies ?? error.previousErrors) say(`${name}, before`, error.errorReplies ?? error.previousErrors);
  }
}

export async function until(condition) {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error("waited for a minute");
    await new Promise((done) => setTimeout(done, 5));
  }
}
