// Words with the formatting that a form gives them: a few elements without attributes.
import { type ComponentChild, h } from "preact";
import type { Item } from "../lib/flow.ts";

const INLINE = new Set(["br", "strong", "em", "u", "s", "sub", "sup"]);
const BLOCKS = new Set(["p", "ul", "ol", "li", "blockquote", "h3", "h4", "table", "tbody", "tr", "td", "th"]);

interface Props {
  item: Item;
  language: string | null;
  /** Whether paragraphs and lists may be shown, which a label cannot hold. */
  blocks?: boolean;
}

export function Words({ item, language, blocks = false }: Props) {
  const xhtml = item.rich(language);
  if (xhtml === null) return <>{item.text(language)}</>;
  const parsed = new DOMParser().parseFromString(xhtml, "text/html");
  return <>{[...parsed.body.childNodes].map((node) => shown(node, blocks))}</>;
}

/** Built element by element, so nothing comes through that is not named here. */
function shown(node: Node, blocks: boolean): ComponentChild {
  if (node.nodeType === Node.TEXT_NODE) return node.nodeValue;
  if (!(node instanceof Element)) return null;
  const children = [...node.childNodes].map((one) => shown(one, blocks));
  const name = node.localName;
  if (INLINE.has(name) || (blocks && BLOCKS.has(name))) return h(name, null, ...children);
  return BLOCKS.has(name) ? [...children, " "] : children;
}
