// Fails where files import each other in a circle, types among it; prints the circle.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { argv, exit } from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g;

/** Each file of a folder, with the files that it imports. */
export function importsOf(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => /\.tsx?$/.test(name));
  const targets = (name) =>
    [...readFileSync(join(folder, name), "utf8").matchAll(IMPORT)].map((found) => normalize(join(dirname(name), found[1])));
  return new Map(files.map((name) => [name, targets(name)]));
}

/** The first circle that is found, its first file again at its end; null if there is none. */
export function circleIn(imports) {
  const done = new Set();
  const follow = (name, path) => {
    const before = path.indexOf(name);
    if (before >= 0) return [...path.slice(before), name];
    if (done.has(name)) return null;
    for (const next of imports.get(name) ?? []) {
      const found = follow(next, [...path, name]);
      if (found) return found;
    }
    done.add(name);
    return null;
  };
  for (const name of imports.keys()) {
    const found = follow(name, []);
    if (found) return found;
  }
  return null;
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  const folder = fileURLToPath(new URL("../src", import.meta.url));
  const circle = circleIn(importsOf(folder));
  if (circle) {
    console.error(`Files of ${relative(".", folder)} import each other in a circle: ${circle.join(" -> ")}`);
    exit(1);
  }
}
