// The field that was clicked: pointing to it, its changes, its correction, and what is masked in it.
import { useEffect, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import { isMasked } from "../fields/sheet.ts";
import { type Flow, type Item, itemOf } from "../lib/flow.ts";
import * as app from "./app.ts";
import { Changes } from "./changes.tsx";
import { Correction } from "./correction.tsx";
import { box, t } from "./messages.ts";
import { Action, questionOf } from "./parts.tsx";
import { Reveal } from "./reveal.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
}

export function FieldPanel({ room, view, flow }: Props) {
  const selected = room.selected.value ?? null;
  const wanted = selected ?? view.highlight ?? view.signature?.field_id ?? null;
  const item = wanted ? itemOf(flow, wanted) : undefined;
  return (
    <section class="action-group" aria-labelledby="field-actions">
      <h2 id="field-actions">{t("field.title")}</h2>
      {wanted && item ? <Selected key={wanted} room={room} view={view} flow={flow} item={item} id={wanted} /> : <p class="hint">{t("field.hint")}</p>}
    </section>
  );
}

function Selected({ room, view, flow, item, id }: Props & { item: Item; id: string }) {
  const [correcting, setCorrecting] = useState(false);
  const [comparing, setComparing] = useState(false);
  useEffect(() => setCorrecting(false), [id]);
  const lit = view.highlight === id;
  const enters = !item.signature && !["attachment", "display", "group"].includes(item.type);
  const field = view.fields[id];
  return (
    <>
      <p class="selected-name" dir="auto">{questionOf(flow, id).slice(0, 160)}</p>
      {field?.error && <p class="reason">{box(field.error)}</p>}
      {field?.correction && <p class="reason">{t("field.to_correct", { message: field.correction })}</p>}
      <div class="field-buttons">
        <Action
          small
          label={lit ? t("field.stop") : t("field.point")}
          pressed={lit}
          reason={view.blocked?.["HIGHLIGHT_FIELD"]}
          run={() => app.command(room, { type: "HIGHLIGHT_FIELD", field_id: lit ? null : id })}
        />
        {isMasked(field?.value) && <Action small label={t("reveal.button")} run={() => setComparing(true)} />}
        {enters && !correcting && (
          <Action small silent={Boolean(view.blocked?.["HIGHLIGHT_FIELD"])} label={t("correct.button")} reason={view.blocked?.["REQUEST_CORRECTION"]} run={() => setCorrecting(true)} />
        )}
        {enters && <Changes key={id} room={room} item={item} id={id} />}
      </div>
      {enters && correcting && <Correction room={room} view={view} flow={flow} id={id} onDone={() => setCorrecting(false)} />}
      {comparing && <Reveal room={room} view={view} flow={flow} id={id} onClose={() => setComparing(false)} />}
    </>
  );
}
