// What hides the form on the patient's screen, each said, and shown in the words that the patient reads.
import type { ComponentChildren, FunctionComponent } from "preact";
import type { FacilityView } from "../../generated/wire.ts";
import { type Flow, itemOf, signedText } from "../lib/flow.ts";
import { nameOf as languageName, wordsIn } from "../words.ts";
import { language, type Message, t } from "./messages.ts";

interface Props {
  view: FacilityView;
  flow: Flow;
  language: string | null;
}

export interface Veil {
  name: string;
  /** As the staff's page says it. */
  label: Message;
  Shown: FunctionComponent<Props>;
}

/** All that holds at once, what the patient sees foremost first. */
export function veilsOf(view: FacilityView): Veil[] {
  const signing = view.signature?.status === "requested";
  const all: [boolean, Veil][] = [
    [view.locked === true, { name: "locked", label: "seen.locked", Shown: cover("locked", "lockedWhy") }],
    [view.covered, { name: "covered", label: "seen.covered", Shown: cover("covered", "coveredWhy") }],
    [view.status === "paused", { name: "paused", label: "seen.paused", Shown: cover("paused", "pausedWhy") }],
    [view.patient_idle === true && view.locked !== true, { name: "idle", label: "seen.idle", Shown: cover("idle", "idleWhy") }],
    [signing, { name: "signing", label: "seen.signing", Shown: Signing }],
  ];
  return all.filter(([holds]) => holds).map(([, veil]) => veil);
}

type CoverWord = "locked" | "lockedWhy" | "covered" | "coveredWhy" | "paused" | "pausedWhy" | "idle" | "idleWhy";

/** One function for each pair of words, so that a view that changes does not mount it anew. */
const covers = new Map<string, FunctionComponent<Props>>();

function cover(title: CoverWord, why: CoverWord): FunctionComponent<Props> {
  const known = covers.get(title);
  if (known) return known;
  const made = ({ flow, language }: Props) => {
    const say = wordsIn(language ?? flow.language);
    return (
      <Sheet name={title} language={language ?? flow.language}>
        <p class="veil-title">{say(title)}</p>
        <p>{say(why)}</p>
      </Sheet>
    );
  };
  covers.set(title, made);
  return made;
}

function Sheet({ name, language, children }: { name: string; language: string | null; children: ComponentChildren }) {
  return (
    <section class="veil" data-veil={name} aria-label={t("seen.now")} lang={language ?? undefined}>
      {children}
    </section>
  );
}

function Signing({ view, flow, language }: Props) {
  const id = view.signature?.field_id;
  if (!id) return null;
  const say = wordsIn(language ?? flow.language);
  return (
    <Sheet name="signing" language={language ?? flow.language}>
      <p class="veil-title">{say("signHere")}</p>
      <div class="reading-text" tabIndex={0} role="region" aria-label={say("signText")} dir="auto">{signedText(flow, view.enabled, id, language)}</div>
      <p class="pad-here" aria-hidden="true">{say("signPad")}</p>
    </Sheet>
  );
}

/** The states of the patient's screen, shortly and together. */
export function Seen({ view, flow, veils }: { view: FacilityView; flow: Flow; veils: Veil[] }) {
  const screen = view.patient_screen;
  const size = screen?.text_percent ?? 100;
  const signing = view.signature?.status === "requested" ? itemOf(flow, view.signature.field_id)?.text(language.value) : undefined;
  return (
    <ul class="seen" aria-label={t("seen.title")} aria-live="polite">
      {veils.map((veil) => (
        <li class={`chip ${veil.name}`} key={veil.name} title={veil.name === "signing" ? signing : undefined}>{t(veil.label)}</li>
      ))}
      {screen?.language && <li class="chip" key="language">{languageName(screen.language)}</li>}
      {size !== 100 && <li class="chip" key="size">{t("seen.size", { percent: size })}</li>}
    </ul>
  );
}
