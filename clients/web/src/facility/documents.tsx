// The documents of the step, and how each stands.
import type { FacilityView } from "../../generated/wire.ts";
import { type Flow, itemOf, type Step, stepOf } from "../lib/flow.ts";
import { type Message, t } from "./messages.ts";
import { Action, questionOf } from "./parts.tsx";

export const documentsOf = (flow: Flow, step: Step, view: FacilityView): string[] =>
  view.enabled.filter((id) => itemOf(flow, id)?.type === "attachment" && stepOf(flow, id)?.id === step.id);

const STATES: Record<string, Message> = {
  missing: "document.missing",
  receiving: "document.receiving",
  received: "document.received",
  accepted: "document.accepted",
  rejected: "document.rejected",
};

interface Props {
  view: FacilityView;
  flow: Flow;
  ids: string[];
  onReview: (id: string) => void;
}

export function Documents({ view, flow, ids, onReview }: Props) {
  return (
    <section class="action-group" aria-labelledby="doc-actions">
      <h2 id="doc-actions">{t("document.title")}</h2>
      {ids.map((id) => {
        const status = view.documents[id]?.status ?? "missing";
        const there = ["received", "accepted", "rejected"].includes(status);
        const label = questionOf(flow, id);
        return (
          <div class="document-line" key={id}>
            <p dir="auto">
              {label} <span class={`chip ${status}`}>{t(STATES[status] ?? "document.missing")}</span>
            </p>
            {there && <Action small kind="quiet" label={t("document.look")} identity={id} silent reason={view.blocked?.["FETCH_DOCUMENT"]} run={() => onReview(id)} />}
          </div>
        );
      })}
    </section>
  );
}
