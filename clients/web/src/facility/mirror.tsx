// The patient's screen as it is now: its language, its text size, and what hides the form on it.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import type { Sheet } from "../fields/sheet.ts";
import { StepScreen } from "../fields/step.tsx";
import { type Flow, type Item, offeredLanguage } from "../lib/flow.ts";
import { present } from "../lib/present.ts";
import { reviewSeenByStaff } from "../lib/review.ts";
import { nameOf as languageName, wordsIn } from "../words.ts";
import * as app from "./app.ts";
import { CodePanel } from "./code-panel.tsx";
import { box, type Message, t } from "./messages.ts";
import { HelpBanner, NotTaken, Over, Warnings } from "./notes.tsx";
import { Seen, veilsOf } from "./seen.tsx";
import { isOver } from "./status.ts";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  live: boolean;
}

export function Mirror({ room, view, flow, live }: Props) {
  const [chosen, setChosen] = useState<string | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const selected = room.selected.value ?? null;
  const step = flow.steps.find((one) => one.id === view.step_id) ?? present(flow.steps[0]);
  const patient = Object.values(view.participants).find((one) => one.role === "patient");
  const blocked = live ? view.blocked?.["HIGHLIGHT_FIELD"] : undefined;
  const theirs = offeredLanguage(flow, view.patient_screen?.language ?? null);
  const language = chosen ?? theirs;
  const size = (view.patient_screen?.text_percent ?? 100) / 100;
  useEffect(() => {
    setRefusal(null);
    room.selected.value = null;
  }, [view.step_id]);
  const point = (id: string) => {
    if (!live) return;
    const again = view.highlight === id;
    room.selected.value = id;
    setRefusal(blocked ? box(blocked) : null);
    if (blocked) return;
    app.command(room, { type: "HIGHLIGHT_FIELD", field_id: again ? null : id }).catch((error: unknown) => setRefusal(app.wordsOf(error)));
  };
  const labels = { point: t("mirror.point"), here: t("mirror.here") };
  const sheet = useMemo(
    (): Sheet => ({
      flow,
      language,
      say: wordsIn(language ?? flow.language),
      enabled: new Set(view.enabled),
      shown: step.items.some(asksForReview) ? { ...view, review: reviewSeenByStaff(flow, view) } : view,
      hands: null,
      pointing: { point, selected, patientFocus: view.patient_focus, missing: new Set(live ? view.missing : []), labels },
    }),
    [flow, language, view, selected, live, labels.point],
  );
  const over = isOver(view);
  const veils = live && !over ? veilsOf(view) : [];
  return (
    <section class="mirror-side" aria-label={t("mirror.title")}>
      <div class="mirror-top">
        {live && <HelpBanner room={room} view={view} flow={flow} />}
        {live && <Warnings view={view} patientOnline={patient?.online ?? null} />}
        {refusal && <p class="banner refusal" role="alert">{refusal}</p>}
        {live && <NotTaken view={view} flow={flow} />}
        {over && <Over view={view} />}
        <div class="mirror-bar">
          <span class={`dot ${patient?.online ? "on" : patient ? "off" : "wait"}`} aria-hidden="true" />
          <span>{t(nameOfPicture(live, over, patient?.online))}</span>
          <Seen view={view} flow={flow} veils={veils} />
          <span class="grow" />
          {flow.languages.length > 1 && (
            <label>
              <span class="visually-hidden">{t("mirror.show_in")}</span>
              <select value={chosen ?? ""} onChange={({ currentTarget }) => setChosen(currentTarget.value || null)}>
                <option value="">{t("mirror.as_patient", { language: languageName(theirs ?? flow.language ?? "en") })}</option>
                {flow.languages.map((one) => (
                  <option value={one}>{languageName(one)}</option>
                ))}
              </select>
            </label>
          )}
        </div>
      </div>
      {live && !over && (view.code || !patient) && <CodePanel room={room} view={view} />}
      <div class="mirror" data-covered={veils.length > 0 || undefined} style={{ "--missing-word": JSON.stringify(t("mirror.missing")), ...(size === 1 ? {} : { zoom: String(size) }) }}>
        {veils.map((veil) => (
          <veil.Shown key={veil.name} view={view} flow={flow} language={language} />
        ))}
        <div class="behind" data-veiled={veils.length > 0 || undefined}>
          <div class="step-head">
            <p class="step-count">{t("mirror.step", { n: view.step_index + 1, total: view.steps_total })}</p>
            <h2 dir="auto">{step.title(language, view.enabled)}</h2>
          </div>
          <StepScreen sheet={sheet} step={step} />
        </div>
      </div>
    </section>
  );
}

/** What the picture is of; the patient's screen as it is now, only while it is here. */
function nameOfPicture(live: boolean, over: boolean, online: boolean | undefined): Message {
  if (!live) return "mirror.past";
  if (over) return "mirror.ended";
  if (online === undefined) return "mirror.ahead";
  return online ? "mirror.live" : "mirror.last";
}

const asksForReview = (item: Item): boolean => item.review || item.items.some(asksForReview);
