// The signatures of the step: asking for one, and what came of it.
import type { FacilityView, SignatureView } from "../../generated/wire.ts";
import { type Flow, itemOf, stepOf } from "../lib/flow.ts";
import { deviceStorage } from "../lib/storage.ts";
import { nameOf as languageName } from "../words.ts";
import * as app from "./app.ts";
import * as desk from "./desk.ts";
import { Action } from "./parts.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  ids: string[];
}

export function Signatures({ room, view, ids }: Props) {
  const asked = view.signature?.status === "requested";
  return (
    <section class="action-group" aria-labelledby="sign-actions">
      <h2 id="sign-actions">Signature</h2>
      {!asked && <StaffName />}
      {ids.map((id) => (
        <div class="signature-line" key={id}>
          <Outcome signature={view.signatures[id]} />
          <Ask room={room} view={view} id={id} asked={asked} />
        </div>
      ))}
    </section>
  );
}

/** The signatures of other steps that no longer stand, each with the way to its step. */
export function ChangedElsewhere({ room, view, flow }: { room: app.Room; view: FacilityView; flow: Flow }) {
  const changed = Object.values(view.signatures).filter((one) => one.changed);
  const places = changed.map(({ field_id: id }) => ({ id, step: stepOf(flow, id) })).filter(({ step }) => step?.id !== view.step_id);
  if (places.length === 0) return null;
  return (
    <section class="action-group" aria-labelledby="changed-actions">
      <h2 id="changed-actions">Changed after signing</h2>
      {places.map(({ id, step }) => (
        <div class="signature-line" key={id}>
          <p dir="auto">{itemOf(flow, id)?.text(null).slice(0, 160) ?? id}</p>
          <p class="chip changed">{CHANGED[status]}</p>
          {step && (
            <Action
              label={`Go to “${step.title(null)}”`}
              reason={view.blocked?.["NAVIGATE"]}
              run={() => app.command(room, { type: "NAVIGATE", step_id: step.id })}
            />
          )}
        </div>
      ))}
    </section>
  );
}

function StaffName() {
  if (desk.signedIn.value !== null) return null;
  return (
    <div class="stack staff-name">
      <label for="staff-name">Your name (optional)</label>
      <input
        id="staff-name"
        type="text"
        dir="auto"
        autocomplete="off"
        maxLength={120}
        aria-describedby="staff-name-hint"
        value={app.staffName.value}
        onInput={({ currentTarget: { value } }) => {
          app.staffName.value = value;
          deviceStorage.set("staffName", value.trim() || null);
        }}
      />
      <p class="hint" id="staff-name-hint">Stands in the record as who asked. This screen remembers it.</p>
    </div>
  );
}

function Ask({ room, view, id, asked }: { room: app.Room; view: FacilityView; id: string; asked: boolean }) {
  if (asked) {
    return <Action label="Cancel signing" reason={view.blocked?.["CANCEL_SIGNATURE"]} run={() => app.command(room, { type: "CANCEL_SIGNATURE" })} />;
  }
  const given = view.signatures[id];
  const signed = given?.status === "signed";
  const staff_name = app.actingName.value || null;
  return (
    <Action
      label={signed ? "Ask to sign again" : "Ask to sign"}
      kind={signed && !given.changed ? "secondary" : "primary"}
      hotkey="s"
      reason={view.blocked?.["REQUEST_SIGNATURE"]}
      run={() => app.command(room, { type: "REQUEST_SIGNATURE", field_id: id, staff_name })}
    />
  );
}

const CHANGED: Record<string, string> = {
  signed: "Signed, but what was signed has changed: ask again",
  declined: "Declined, but the text or the patient has changed: ask again",
};
const OUTCOMES: Record<string, string> = { signed: "Signed", declined: "Declined", withdrawn: "Withdrawn" };

function Outcome({ signature }: { signature: SignatureView | undefined }) {
  const outcome = OUTCOMES[signature?.status ?? ""];
  if (signature === undefined || outcome === undefined) return null;
  const { status, at, printed_name: name, relationship, language, reason, staff_name: staff } = signature;
  return (
    <div class="outcome">
      {signature.changed && <p class="chip changed">{CHANGED[signature.status]}</p>}
      <p>
        <span class={`chip ${status}`}>{outcome}</span> {at && <time dateTime={at}>{new Date(at).toLocaleTimeString()}</time>}
      </p>
      {name && (
        <p dir="auto">
          {name}
          {relationship && <span class="hint"> ({relationship})</span>}
        </p>
      )}
      {reason && <p class="reason" dir="auto">“{reason}”</p>}
      {language && <p class="hint">Read in: {languageName(language)}</p>}
      {staff && <p class="hint" dir="auto">Asked by {staff}</p>}
    </div>
  );
}
