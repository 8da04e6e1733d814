// What the scripts of clients in JavaScript share: the server's address, and a report of what worked.
import { readFileSync } from "node:fs";

export const base = `${process.env.ORBIT_URL}/v1`;
export const key = process.env.ORBIT_KEY;
export const image = process.env.ORBIT_IMAGE; // a data URL
export const link = "https://library.example.org/rules"; // the address of a source
export const said = "You said: hello";
export const rain = "It is: Rain in Bonn";

const modules = process.env.NODE_MODULES;
const results = {};

// A package from the folder that scripts/setup.sh fills.
export async function load(name) {
  const about = JSON.parse(readFileSync(`${modules}/${name}/package.json`, "utf8"));
  const entry = about.exports?.["."];
  const file = entry?.import?.default ?? entry?.import ?? entry?.default ?? about.module ?? about.main;
  return import(`${modules}/${name}/${typeof file === "string" ? file : file.default}`);
}

export function equal(found, wanted) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${one} is not ${other}`);
}

export async function raises(action, wanted) {
  try {
    await action();
  } catch (error) {
    equal((error.lastError ?? error).statusCode ?? error.status, wanted);
    return;
  }
  throw new Error(`no error ${wanted}`);
}

export async function feature(name, check) {
  try {
    await check();
    results[name] = "yes";
  } catch (error) {
    results[name] = `no: ${error.name}: ${error.message}`;
  }
}

export function without(name, reason) {
  results[name] = reason;
}

export function printReport(name) {
  const { version } = JSON.parse(readFileSync(`${modules}/${name}/package.json`, "utf8"));
  console.log(JSON.stringify({ results, version }));
}
