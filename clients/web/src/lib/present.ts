/** Return a value that is there by what came before; raises where it is not. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("something that has to be there is missing");
  return value;
}
