// What the host can do now. What cannot be done is grey, with the controller's reason.
import { useEffect, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import { allOf, type Flow, type Item, itemOf, stepOf } from "../lib/flow.ts";
import { present } from "../lib/present.ts";
import type { Intent } from "../lib/session.ts";
import * as app from "./app.ts";
import { Action, Dialog } from "./parts.tsx";
import { Review } from "./review.tsx";
import { Changes } from "./changes.tsx";
import { DeclinedReason, onlyDeclined, orReason, type Overridable } from "./declined.tsx";
import { ChangedElsewhere, Signatures } from "./signatures.tsx";
import { isOver } from "./status.ts";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
}

export function Actions({ room, view, flow }: Props) {
  const [asking, setAsking] = useState<"cancel" | "device" | "skip" | null>(null);
  const [unsigned, setUnsigned] = useState<Overridable | null>(null);
  useEffect(() => setUnsigned(null), [view.step_id, view.missing_reason]);
  const give = (intent: Intent) => () => app.command(room, intent);
  const blocked = (command: string) => view.blocked?.[command];
  const index = view.step_index;
  const [before, after] = [flow.steps[index - 1], flow.steps[index + 1]];
  const here = flow.steps[index];
  if (isOver(view)) {
    return (
      <button type="button" class="primary" onClick={() => app.go(null)}>
        Back to all check-ins
      </button>
    );
  }
  const wanted = flow.steps.find((one) => one.id === view.help_step);
  const paused = view.status === "paused";
  const hidden = view.covered || (view.locked ?? false);
  const move = (intent: Overridable) => app.command(room, intent).catch(orReason(intent, setUnsigned));
  const finish = () => move({ type: "COMPLETE" });
  const last = after === undefined;
  return (
    <>
      {wanted && (
        <Action
          label={`Open “${wanted.title(null)}”`}
          kind="primary"
          reason={blocked("NAVIGATE")}
          run={() => app.command(room, { type: "NAVIGATE", step_id: wanted.id })}
        />
      )}
      {view.help_requested && <Action label="Help is on its way" kind="primary" hotkey="h" reason={blocked("ANSWER_HELP")} run={give({ type: "ANSWER_HELP" })} />}
      {paused && <Action label="Resume" kind="primary" hotkey="p" reason={blocked("RESUME")} run={give({ type: "RESUME" })} />}
      <div class="pair">
        <Action
          label="Back"
          hotkey="b"
          silent={blocked("NAVIGATE") !== undefined || !before}
          reason={blocked("NAVIGATE") ?? (before ? null : "This is the first step.")}
          run={() => app.command(room, { type: "NAVIGATE", step_id: present(before).id })}
        />
        {last ? (
          <Action label="Finish" kind="primary" hotkey="n" reason={blocked("COMPLETE")} run={finish} />
        ) : (
          <Action
            label="Next"
            kind="primary"
            hotkey="n"
            reason={blocked("NAVIGATE") ?? (onlyDeclined(view) ? null : view.missing_reason)}
            run={() => move({ type: "NAVIGATE", step_id: after.id })}
          />
        )}
      </div>
      {unsigned && <DeclinedReason room={room} intent={unsigned} onClose={() => setUnsigned(null)} />}
      {!last && here?.skippable && view.missing_reason && !blocked("NAVIGATE") && (
        <button type="button" class="quiet small" onClick={() => setAsking("skip")}>
          Skip this step…
        </button>
      )}
      <FieldActions room={room} view={view} flow={flow} />
      <section class="action-group" aria-labelledby="screen-actions">
        <h2 id="screen-actions">The patient's screen</h2>
        <Action
          label={hidden ? "Show again" : "Cover"}
          hotkey="c"
          pressed={hidden}
          reason={blocked("COVER_SCREEN")}
          run={give({ type: "COVER_SCREEN", covered: !hidden })}
        />
        {!paused && <Action label="Pause" hotkey="p" reason={blocked("PAUSE")} run={give({ type: "PAUSE" })} />}
        <Action label="Change the tablet…" reason={blocked("REPLACE_PATIENT_DEVICE")} run={() => setAsking("device")} />
      </section>
      <section class="action-group" aria-labelledby="end-actions">
        <h2 id="end-actions">Ending</h2>
        {!last && <Action label="Finish" reason={blocked("COMPLETE")} run={finish} />}
        <Action label="Cancel the check-in…" kind="danger" reason={blocked("CANCEL")} run={() => setAsking("cancel")} />
      </section>
      {asking === "cancel" && (
        <Reason
          title="Cancel the check-in"
          ask="Why? The time line shows it."
          confirm="Cancel the check-in"
          danger
          onClose={() => setAsking(null)}
          run={(reason) => app.command(room, { type: "CANCEL", reason })}
        />
      )}
      {asking === "skip" && after && (
        <Reason
          title="Skip this step"
          ask="Why is it left incomplete? The time line shows it."
          confirm="Skip"
          onClose={() => setAsking(null)}
          run={(override_reason) => app.command(room, { type: "NAVIGATE", step_id: after.id, override_reason })}
        />
      )}
      {asking === "device" && <ChangeDevice room={room} view={view} onClose={() => setAsking(null)} />}
    </>
  );
}

// -- the field that was clicked ----------------------------------------------------------------

function FieldActions({ room, view, flow }: Props) {
  const selected = room.selected.value ?? null;
  const wanted = selected ?? view.highlight ?? view.signature?.field_id ?? null;
  const here = flow.steps[view.step_index];
  const signatures = here ? allOf(here.items).filter((one) => one.signature && view.enabled.includes(one.linkId)).map((one) => one.linkId) : [];
  const documents = view.enabled.filter((id) => itemOf(flow, id)?.type === "attachment" && stepOf(flow, id)?.id === here?.id);
  const item = wanted ? itemOf(flow, wanted) : undefined;
  const [reviewing, setReviewing] = useState<string | null>(null);
  return (
    <>
      <ChangedElsewhere room={room} view={view} flow={flow} />
      {signatures.length > 0 && <Signatures room={room} view={view} ids={signatures} />}
      {documents.length > 0 && (
        <section class="action-group" aria-labelledby="doc-actions">
          <h2 id="doc-actions">Documents</h2>
          {documents.map((id) => (
            <DocumentLine key={id} view={view} item={present(itemOf(flow, id))} id={id} onReview={() => setReviewing(id)} />
          ))}
        </section>
      )}
      <section class="action-group" aria-labelledby="field-actions">
        <h2 id="field-actions">Field</h2>
        {wanted && item ? (
          <Selected room={room} view={view} item={item} id={wanted} />
        ) : (
          <p class="hint">Click a field in the patient's screen to point the patient to it.</p>
        )}
      </section>
      {reviewing && <Review room={room} view={view} item={present(itemOf(flow, reviewing))} id={reviewing} onClose={() => setReviewing(null)} />}
    </>
  );
}

const DOCUMENT = {
  missing: "not there yet",
  receiving: "arriving…",
  received: "to be reviewed",
  accepted: "accepted",
  rejected: "sent back",
} as const;

function DocumentLine({ view, item, id, onReview }: { view: FacilityView; item: Item; id: string; onReview: () => void }) {
  const document = view.documents[id];
  const status = document?.status ?? "missing";
  const there = ["received", "accepted", "rejected"].includes(status);
  return (
    <div class="document-line">
      <p dir="auto">
        {item.text(null)} <span class={`chip ${status}`}>{DOCUMENT[status]}</span>
      </p>
      {there && <Action label="Look at it…" kind={status === "received" ? "primary" : "secondary"} reason={view.blocked?.["FETCH_DOCUMENT"]} run={onReview} />}
    </div>
  );
}

function Selected({ room, view, item, id }: { room: app.Room; view: FacilityView; item: Item; id: string }) {
  const [message, setMessage] = useState("");
  const [correcting, setCorrecting] = useState(false);
  useEffect(() => {
    setMessage("");
    setCorrecting(false);
  }, [id]);
  const lit = view.highlight === id;
  const enters = !item.signature && !["attachment", "display", "group"].includes(item.type);
  const field = view.fields[id];
  return (
    <>
      <p class="selected-name" dir="auto">{item.text(null).slice(0, 160) || id}</p>
      {field?.error && <p class="reason">{field.error}</p>}
      {field?.correction && <p class="reason">To be corrected: {field.correction}</p>}
      <Action
        label={lit ? "Stop pointing" : "Point to it"}
        pressed={lit}
        reason={view.blocked?.["HIGHLIGHT_FIELD"]}
        run={() => app.command(room, { type: "HIGHLIGHT_FIELD", field_id: lit ? null : id })}
      />
      {enters && <Changes key={id} room={room} item={item} id={id} />}
      {enters && !correcting && (
        <Action label="Ask for a correction…" reason={view.blocked?.["REQUEST_CORRECTION"]} run={() => setCorrecting(true)} />
      )}
      {enters && correcting && (
        <div class="stack">
          <label for="correction">What is to be corrected?</label>
          <textarea id="correction" rows={2} dir="auto" maxLength={500} autocomplete="off" value={message} onInput={({ currentTarget }) => setMessage(currentTarget.value)} />
          <Action
            label="Send to the patient"
            kind="primary"
            reason={view.blocked?.["REQUEST_CORRECTION"] ?? (message.trim() ? null : "Write a message first.")}
            run={() => app.command(room, { type: "REQUEST_CORRECTION", field_id: id, message: message.trim() }).then(() => setCorrecting(false))}
          />
        </div>
      )}
    </>
  );
}

// -- what asks back ----------------------------------------------------------------------------

interface ReasonProps {
  title: string;
  ask: string;
  confirm: string;
  danger?: boolean;
  onClose: () => void;
  run: (reason: string) => Promise<void>;
}

function Reason({ title, ask, confirm, danger, onClose, run }: ReasonProps) {
  const [reason, setReason] = useState("");
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="stack">
        <label for="reason">{ask}</label>
        <textarea id="reason" rows={3} dir="auto" maxLength={500} autocomplete="off" value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
        <Action label={confirm} kind={danger ? "danger" : "primary"} reason={reason.trim() ? null : "Write a reason first."} run={() => run(reason.trim()).then(onClose)} />
      </div>
    </Dialog>
  );
}

function ChangeDevice({ room, view, onClose }: { room: app.Room; view: FacilityView; onClose: () => void }) {
  useEffect(() => void app.refresh(), []);
  const kiosks = app.kiosks.value.filter((one) => !(one.device in view.participants));
  const move = (device: string | null) => () => app.command(room, { type: "REPLACE_PATIENT_DEVICE", device }).then(onClose);
  return (
    <Dialog title="Change the patient's screen" onClose={onClose}>
      <div class="stack">
        <p>The check-in goes on on the other screen, with all answers. The old one shows nothing more, once it is connected.</p>
        <Action label="Show a new code" kind="primary" run={move(null)} />
        {kiosks.map((one) => (
          <Action key={one.device} label={`Move to ${app.nameAndRoom(one)}`} reason={one.session ? "This tablet is in a check-in." : one.online ? null : "This tablet is switched off."} run={move(one.device)} />
        ))}
      </div>
    </Dialog>
  );
}
