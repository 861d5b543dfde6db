// The queue: who needs staff, who is filling in, who is awaited, and who was here today.
import { computed } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { HeldLine, LobbyLine } from "../../generated/wire.ts";
import type { Flow } from "../lib/flow.ts";
import * as app from "./app.ts";
import { HeldNote } from "./identify.tsx";
import { language, type Message, t } from "./messages.ts";
import { NewSession } from "./new-session.tsx";
import { Since } from "./parts.tsx";
import { type Entry, matches, type Part, PARTS, queueOf, type Reason } from "./queue.ts";
import { Reviews } from "./sign-in.tsx";
import { statusWords } from "./status.ts";
import { Stranded } from "./stranded.tsx";
import { ended } from "./today.ts";

const queue = computed(() => queueOf(app.lobby.value ?? [], app.held.value, ended.value));

export function QueueScreen() {
  const [opening, setOpening] = useState(false);
  const [wanted, setWanted] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const begin = () => setOpening(true);
    const find = () => search.current?.focus();
    addEventListener("handrail-new", begin);
    addEventListener("handrail-find", find);
    return () => {
      removeEventListener("handrail-new", begin);
      removeEventListener("handrail-find", find);
    };
  }, []);
  const loading = app.lobby.value === null;
  const all = queue.value;
  const found = (part: Part) => all[part].filter((entry) => wanted.trim() === "" || matches(wanted, textsOf(entry)));
  const total = PARTS.reduce((sum, part) => sum + all[part].length, 0);
  const shown = PARTS.map((part) => [part, found(part)] as const);
  const none = shown.every(([, entries]) => entries.length === 0);
  return (
    <main class="queue">
      <div class="queue-head">
        <h1>{t("queue.title")}</h1>
        <p class="count" role="status">{loading || total === 0 ? "" : t("queue.count", { open: total - all.done.length, needs: all.needs.length })}</p>
        <span class="grow" />
        {total > 0 && (
          <input
            ref={search}
            type="search"
            class="find"
            aria-label={t("queue.search")}
            aria-keyshortcuts="/"
            placeholder={t("queue.search")}
            autocomplete="off"
            spellcheck={false}
            value={wanted}
            onInput={({ currentTarget }) => setWanted(currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") setWanted("");
              else if (event.key === "ArrowDown" || event.key === "Enter") step(list.current, 1);
            }}
          />
        )}
        <button type="button" class="primary" aria-keyshortcuts="n" onClick={() => setOpening(true)}>
          {t("queue.new")}
        </button>
      </div>
      {app.stuck.value > 0 && <p class="banner warn" role="status">{t("queue.stuck", { n: app.stuck.value })}</p>}
      <div ref={list} class="queue-parts" onKeyDown={(event) => moved(event, list.current)}>
        {loading ? (
          <p class="empty" role="status">{t("loading")}</p>
        ) : total === 0 ? (
          <div class="empty">
            <p class="lead">{t("queue.empty")}</p>
            <p>{t("queue.empty_hint")}</p>
          </div>
        ) : none ? (
          <p class="empty" role="status">{t("queue.not_found", { wanted })}</p>
        ) : (
          shown.map(([part, entries]) => <PartList key={part} part={part} entries={entries} />)
        )}
      </div>
      <Reviews />
      {opening && <NewSession onClose={() => setOpening(false)} />}
    </main>
  );
}

const TITLES: Record<Part, Message> = {
  needs: "queue.needs",
  filling: "queue.filling",
  waiting: "queue.waiting",
  done: "queue.done",
};

function PartList({ part, entries }: { part: Part; entries: Entry[] }) {
  if (entries.length === 0) return null;
  const id = `part-${part}`;
  return (
    <section class="part" data-part={part} aria-labelledby={id}>
      <h2 id={id}>
        {t(TITLES[part])} <span class="count">{entries.length}</span>
      </h2>
      <ul>
        {entries.map((entry) => (
          <Row
            key={entry.session}
            line={entry.line}
            held={entry.held}
            part={part}
            reasons={entry.reasons.join(" ")}
            since={entry.since}
          />
        ))}
      </ul>
    </section>
  );
}

interface RowProps {
  line: LobbyLine;
  held: HeldLine | null;
  part: Part;
  /** Apart by spaces: properties that are the same as before keep a row from being drawn again. */
  reasons: string;
  since: string;
}

function Row({ line, held, part, reasons, since }: RowProps) {
  const flow = app.known.value.get(line.flow_ref);
  const why = reasons.split(" ").filter(Boolean) as Reason[];
  return (
    <li class="row" data-session={line.session} data-reason={why[0]}>
      <a href={`#session=${line.session}`}>
        <Dot line={line} part={part} reason={why[0]} />
        <span class="who"><bdi>{line.label ?? t("no_label")}</bdi></span>
        {line.test && <span class="badge">{t("queue.test")}</span>}
        <span class="why">
          {why.map((reason) => (
            <span class={`chip ${reason}`} key={reason}>{reasonOf(reason, line)}</span>
          ))}
          {why.length === 0 && <span class="calm-state">{stateOf(line)}</span>}
        </span>
        <span class="where" dir="auto">{whereOf(line)}</span>
        <span class="what" dir="auto">{line.steps_total === 0 || part === "done" ? flow?.title(language.value) : stepOf(line, flow)}</span>
        <span class="led" dir="auto">{leadOf(line, part)}</span>
        <span class="since"><Since at={since} /></span>
      </a>
      {held && <HeldNote line={held} />}
      <Stranded line={line} />
    </li>
  );
}

const DOTS: Partial<Record<Reason, string>> = { help: "alert", ready: "on", review: "care", coming: "on", away: "off" };

function Dot({ line, part, reason }: { line: LobbyLine; part: Part; reason: Reason | undefined }) {
  const ended = line.status === "completed" ? "done" : "wait";
  const calm = part === "done" ? ended : line.status === "active" ? "on" : "wait";
  return <span class={`dot ${reason ? (DOTS[reason] ?? "care") : calm}`} aria-hidden="true" />;
}

const REASON_WORDS: Record<Reason, Message> = {
  help: "reason.help",
  ready: "reason.ready",
  review: "reason.review",
  locked: "reason.locked",
  idle: "reason.idle",
  away: "reason.away",
  coming: "reason.coming",
  held: "reason.held",
};

const reasonOf = (reason: Reason, line: LobbyLine) =>
  t(REASON_WORDS[reason], { n: line.to_review ?? 0, name: line.help?.staff_name ?? "" });
/** What the part of the queue does not say already. */
function stateOf(line: LobbyLine): string {
  if (line.signing) return t("state.signing");
  return line.status === "active" || line.status === "waiting" ? "" : statusWords(line.status);
}


function whereOf({ patient_device, status }: LobbyLine): string {
  if (patient_device) return app.placeOf(patient_device);
  return status === "waiting" ? t("where.code") : "";
}

function stepOf(line: LobbyLine, flow: Flow | undefined): string {
  const step = flow?.steps.find((one) => one.id === line.step_id);
  const place = `${line.step_index + 1}/${line.steps_total}`;
  return step ? `${place} ${step.title(language.value)}` : place;
}

function leadOf(line: LobbyLine, part: Part): string {
  if (part === "done" || line.status === "completed") return "";
  if (line.host === app.me()) return t("lead.you");
  return line.host ? app.nameOf(line.host) : t("lead.nobody");
}

function textsOf({ line, part, reasons }: Entry): string[] {
  const flow = app.known.value.get(line.flow_ref);
  const why = reasons.map((one) => reasonOf(one, line));
  return [line.label ?? "", whereOf(line), stepOf(line, flow), flow?.title(language.value) ?? "", leadOf(line, part), ...why];
}

// -- by keyboard -------------------------------------------------------------------------------

const rowsOf = (list: HTMLElement | null) => [...(list?.querySelectorAll<HTMLAnchorElement>(".row > a") ?? [])];

/** Move the focus by so many rows. */
export function step(list: HTMLElement | null, by: number): void {
  const rows = rowsOf(list);
  const at = rows.findIndex((one) => one === document.activeElement || one.parentElement?.contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next]?.focus();
}

const MOVES: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

function moved(event: KeyboardEvent, list: HTMLElement | null): void {
  const by = MOVES[event.key];
  if (by === undefined || (event.target as HTMLElement).closest("dialog, input, textarea, select")) return;
  event.preventDefault();
  step(list, by === Infinity ? 1e6 : by === -Infinity ? -1e6 : by);
}
