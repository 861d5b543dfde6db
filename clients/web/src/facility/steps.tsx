// The steps of a session: where it is, and what is missing in each.
import { useEffect, useRef, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import { type Flow, stepsOn } from "../lib/flow.ts";
import * as app from "./app.ts";
import { DeclinedReason, orReason, type Overridable } from "./declined.tsx";
import { box, language, type Message, t } from "./messages.ts";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  live: boolean;
}

const MARKS = { upcoming: "○", current: "●", complete: "✓", incomplete: "!" } as const;
const MEANING: Record<keyof typeof MARKS, Message> = {
  upcoming: "step.upcoming",
  current: "step.current",
  complete: "step.complete",
  incomplete: "step.incomplete",
};

/** Scroll the list to a step; the page itself stays where it is. */
function showInList(step: HTMLElement): void {
  const list = step.closest(".steps");
  list?.scrollTo({
    left: step.offsetLeft - (list.clientWidth - step.offsetWidth) / 2,
    top: step.offsetTop - (list.clientHeight - step.offsetHeight) / 2,
  });
}

export function Steps({ room, view, flow, live }: Props) {
  const [refusal, setRefusal] = useState<{ step: string; text: string } | null>(null);
  const [unsigned, setUnsigned] = useState<(Overridable & { type: "NAVIGATE" }) | null>(null);
  const blocked = live ? view.blocked?.["NAVIGATE"] : t("past.only");
  const current = useRef<HTMLLIElement>(null);
  useEffect(() => {
    setRefusal(null);
    setUnsigned(null);
    if (current.current) showInList(current.current);
  }, [view.step_id]);
  const goTo = (step_id: string) => {
    setRefusal(blocked ? { step: step_id, text: box(blocked) } : null);
    if (blocked) return;
    const intent = { type: "NAVIGATE", step_id } as const;
    app
      .command(room, intent)
      .catch(orReason(intent, setUnsigned))
      .catch((error: unknown) => setRefusal({ step: step_id, text: app.wordsOf(error) }));
  };
  return (
    <nav class="steps" aria-label={t("steps.title")}>
      <ol>
        {stepsOn(flow, view).map((step, index) => {
          const state = view.steps[step.id];
          const status = state?.status ?? "upcoming";
          return (
            <li key={step.id} data-status={status} ref={status === "current" ? current : undefined}>
              <button
                type="button"
                aria-current={status === "current" ? "step" : undefined}
                aria-disabled={blocked ? true : undefined}
                onClick={() => status !== "current" && goTo(step.id)}
              >
                <span class="step-mark" aria-hidden="true">{status === "upcoming" ? index + 1 : MARKS[status]}</span>
                <span class="step-name" dir="auto">{step.title(language.value, view.enabled)}</span>
                <span class="step-filled">
                  <span class="visually-hidden">{t(MEANING[status])}, </span>
                  {state && state.required > 0 ? `${state.filled}/${state.required}` : ""}
                </span>
              </button>
              {refusal?.step === step.id && <p class="refusal" role="alert">{refusal.text}</p>}
              {unsigned?.step_id === step.id && <DeclinedReason room={room} intent={unsigned} onClose={() => setUnsigned(null)} />}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
