// The box speaks English. A catalogue says its sentences in another language, under `box.…`.

export type Catalogue = Record<string, string>;

interface Sentence {
  pattern: RegExp;
  names: string[];
  said: string;
}

const OF_THE_BOX = "box.";

/** What an English sentence with `{parts}` matches, and the names of its parts. */
function patternOf(english: string): { pattern: RegExp; names: string[] } {
  const names: string[] = [];
  const parts = english.split(/\{(\w+)\}/);
  const written = parts.map((part, n) => {
    if (n % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    names.push(part);
    return "(.+?)";
  });
  return { pattern: new RegExp(`^${written.join("")}$`, "s"), names };
}

/** Return what says the box's sentences in a language; one that it does not know stays as it is. */
export function boxWords(english: Catalogue, own: Catalogue): (sentence: string) => string {
  if (english === own) return (sentence) => sentence;
  const sentences: Sentence[] = Object.entries(english)
    .filter(([key]) => key.startsWith(OF_THE_BOX) && own[key] !== undefined)
    .map(([key, text]) => ({ ...patternOf(text), said: own[key] ?? text }));
  const say = (sentence: string): string => {
    for (const { pattern, names, said } of sentences) {
      const found = pattern.exec(sentence);
      if (!found) continue;
      const parts = new Map(names.map((name, n) => [name, found[n + 1] ?? ""]));
      return said.replace(/\{(\w+)\}/g, (_, name: string) => say(parts.get(name) ?? ""));
    }
    return sentence;
  };
  return say;
}
