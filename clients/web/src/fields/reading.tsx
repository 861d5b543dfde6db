// A text to be read to its end, how far it was, and for how long.
import { useEffect, useRef } from "preact/hooks";
import type { Item } from "../lib/flow.ts";
import { asMinutes, useSecondsSeen } from "./seconds.ts";
import { domId, useSheet } from "./sheet.ts";

const STEP = 0.05;
const GLANCE_MS = 1_500;
/** How often the time is told while nothing else is. */
const EVERY_S = 10;

export function Reading({ item, id }: { item: Item; id: string }) {
  const { hands, language, say, shown } = useSheet();
  const box = useRef<HTMLDivElement>(null);
  const told = useRef(shown.reading[id] ?? 0);
  const fraction = Math.max(shown.reading[id] ?? 0, hands ? told.current : 0);
  const known = shown.reading_seconds?.[id] ?? 0;
  const toldSeconds = useRef(known);
  const seconds = useSecondsSeen(box, known, hands !== null, (now) => {
    if (now - toldSeconds.current >= EVERY_S) report();
  });
  const report = () => {
    toldSeconds.current = seconds();
    hands?.read(id, Math.round(told.current * 100) / 100, toldSeconds.current);
  };
  const tell = () => {
    const area = box.current;
    if (area === null || hands === null || area.clientHeight === 0) return;
    const reach = (area.scrollTop + area.clientHeight) / area.scrollHeight;
    const seen = area.scrollHeight - area.scrollTop - area.clientHeight < 4 ? 1 : Math.min(reach, 0.99);
    if (seen < told.current + STEP && !(seen === 1 && told.current < 1)) return;
    told.current = seen;
    report();
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
      <div class="reading-foot">
        <progress max={100} value={percent} aria-label={say("readThis")} />
        <span id={title}>{percent >= 99 ? say("readDone") : percent > 0 ? say("readPart", { percent }) : say("readThis")}</span>
        {hands === null && known >= 1 && <span>{say("readTime", { time: asMinutes(known) })}</span>}
      </div>
    </div>
  );
}
