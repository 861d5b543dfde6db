// The instances of a repeating group: those that there are, and the one that may be added.

import type { Shown } from "./sheet.ts";

/** Return how many instances of a repeating group there are fields of. */
export function instancesIn(enabled: Iterable<string>, group: string): number {
  let count = 0;
  const opening = `${group}[`;
  for (const id of enabled) {
    if (!id.startsWith(opening)) continue;
    const number = Number.parseInt(id.slice(opening.length), 10);
    if (number >= count) count = number + 1;
  }
  return count;
}

/** Return what is on with the next instance of a group, or null if none may be added. */
export function withNext(enabled: ReadonlySet<string>, shown: Pick<Shown, "next_instances">, group: string): ReadonlySet<string> | null {
  const next = shown.next_instances?.[group];
  return next ? new Set([...enabled, ...next]) : null;
}
