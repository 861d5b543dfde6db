// A text to be read to its end, and how far it was.
import { useEffect, useRef } from "preact/hooks";
import type { Item } from "../lib/flow";
import { domId, useSheet } from "./sheet";

const STEP = 0.05;
const GLANCE_MS = 1_500;

export function Reading({ item, id }: { item: Item; id: string }) {
  const { hands, language, say, shown } = useSheet();
  const box = useRef<HTMLDivElement>(null);
  const told = useRef(shown.reading[id] ?? 0);
  const fraction = Math.max(shown.reading[id] ?? 0, hands ? told.current : 0);
  const tell = () => {
    const area = box.current;
    if (area === null || hands === null || area.clientHeight === 0) return;
    const reach = (area.scrollTop + area.clientHeight) / area.scrollHeight;
    const seen = area.scrollHeight - area.scrollTop - area.clientHeight < 4 ? 1 : Math.min(reach, 0.99);
    if (seen < told.current + STEP && !(seen === 1 && told.current < 1)) return;
    told.current = seen;
    hands.read(id, Math.round(seen * 100) / 100);
  };
  useEffect(() => {
    // What is there to be seen without scrolling counts after a glance.
    const timer = setTimeout(tell, GLANCE_MS);
    return () => clearTimeout(timer);
  }, [id, language]);
  useEffect(() => {
    const area = box.current;
    if (area && hands === null) area.scrollTop = fraction * area.scrollHeight - area.clientHeight;
  }, [fraction]);
  const percent = Math.round(fraction * 100);
  const title = domId(id, "reading");
  return (
    <div class="reading">
      <div
        ref={box}
        class="reading-text"
        role="region"
        aria-labelledby={title}
        tabIndex={0}
        dir="auto"
        onScroll={tell}
      >
        {item.text(language)}
      </div>
      <div class="reading-foot" id={title}>
        <progress max={100} value={percent} aria-label={say("readThis")} />
        <span>{percent >= 99 ? say("readDone") : percent > 0 ? say("readPart", { percent }) : say("readThis")}</span>
      </div>
    </div>
  );
}
