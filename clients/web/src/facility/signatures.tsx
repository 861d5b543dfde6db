// The signatures of the step: asking for one, and what came of it.
import type { FacilityView, SignatureView } from "../../generated/wire.ts";
import { type Flow, stepOf } from "../lib/flow.ts";
import { deviceStorage } from "../lib/storage.ts";
import { nameOf as languageName } from "../words.ts";
import * as app from "./app.ts";
import * as desk from "./desk.ts";
import { clock, language, type Message, t } from "./messages.ts";
import { Action, questionOf } from "./parts.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  ids: string[];
  /** The one that the next action asks for. */
  next: string | null;
}

/** The command that asks for a signature, in the name of who works at this screen. */
export const signIntent = (field_id: string) =>
  ({ type: "REQUEST_SIGNATURE", field_id, staff_name: app.actingName.peek() || null }) as const;

export function Signatures({ room, view, ids, next }: Props) {
  const asked = view.signature?.status === "requested";
  const isOver = (status: SignatureView["status"] = "requested") => status in OUTCOMES;
  if (asked && !ids.some((id) => isOver(view.signatures[id]?.status))) return null;
  return (
    <section class="action-group" aria-labelledby="sign-actions">
      <h2 id="sign-actions">{t("sign.title")}</h2>
      {!asked && <StaffName />}
      {ids.map((id) => (
        <div class="signature-line" key={id}>
          <Outcome signature={view.signatures[id]} />
          {!asked && id !== next && <Ask room={room} view={view} id={id} />}
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
      <h2 id="changed-actions">{t("sign.changed_elsewhere")}</h2>
      {places.map(({ id, step }) => (
        <div class="signature-line" key={id}>
          <p dir="auto">{questionOf(flow, id).slice(0, 160)}</p>
          <p class="chip changed">{t(changedWords(view.signatures[id]))}</p>
          {step && (
            <Action
              small
              label={t("sign.go_to", { step: step.title(language.value, view.enabled) })}
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
      <label for="staff-name">{t("staff_name.label")}</label>
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
      <p class="hint" id="staff-name-hint">{t("staff_name.hint")}</p>
    </div>
  );
}

function Ask({ room, view, id }: { room: app.Room; view: FacilityView; id: string }) {
  const given = view.signatures[id];
  return (
    <Action
      small
      label={given?.status === "signed" ? t("sign.again") : t("sign.ask")}
      hotkey="s"
      reason={view.blocked?.["REQUEST_SIGNATURE"]}
      run={() => app.command(room, signIntent(id))}
    />
  );
}

const changedWords = (signature: SignatureView | undefined): Message =>
  signature?.status === "declined" ? "sign.changed_declined" : "sign.changed_signed";

const OUTCOMES: Partial<Record<SignatureView["status"], Message>> = { signed: "sign.signed", declined: "sign.declined", withdrawn: "sign.withdrawn" };

function Outcome({ signature }: { signature: SignatureView | undefined }) {
  const outcome = signature && OUTCOMES[signature.status];
  if (!outcome) return null;
  const { status, at, printed_name: name, relationship, language, reason, staff_name: staff } = signature;
  return (
    <div class="outcome">
      {signature.changed && <p class="chip changed">{t(changedWords(signature))}</p>}
      <p>
        <span class={`chip ${status}`}>{t(outcome)}</span> {at && <time dateTime={at}>{clock(at)}</time>}
      </p>
      {name && (
        <p dir="auto">
          {name}
          {relationship && <span class="hint"> ({relationship})</span>}
        </p>
      )}
      {reason && <p class="reason" dir="auto">“{reason}”</p>}
      {language && <p class="hint">{t("sign.read_in", { language: languageName(language) })}</p>}
      {staff && <p class="hint" dir="auto">{t("sign.asked_by", { name: staff })}</p>}
    </div>
  );
}
