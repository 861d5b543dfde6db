// What can be done: the next action at one place, then the step's own, then what is seldom needed.
import { useEffect, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import { allOf, type Flow, type Item, itemOf, type Step, stepsOn } from "../lib/flow.ts";
import { present } from "../lib/present.ts";
import type { Intent } from "../lib/session.ts";
import * as app from "./app.ts";
import { ChangeDevice } from "./change-device.tsx";
import { DeclinedReason, onlyDeclined, orReason, type Overridable } from "./declined.tsx";
import * as desk from "./desk.ts";
import { DonePanel } from "./done.tsx";
import { FieldPanel } from "./field-panel.tsx";
import { box, clock, t } from "./messages.ts";
import { Action, questionOf, ReasonDialog } from "./parts.tsx";
import { Review } from "./review.tsx";
import { ChangedElsewhere, Signatures, signIntent } from "./signatures.tsx";
import { isOver } from "./status.ts";
import { EndDialog } from "./stranded.tsx";
import { Documents, documentsOf } from "./documents.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
}

export function Actions({ room, view, flow }: Props) {
  const [reviewing, setReviewing] = useState<string | null>(null);
  if (isOver(view)) return <DonePanel view={view} />;
  const here = flow.steps.find((step) => step.id === view.step_id);
  const signatures = here ? signaturesOf(here, view) : [];
  const documents = here ? documentsOf(flow, here, view) : [];
  return (
    <>
      <Next room={room} view={view} flow={flow} signatures={signatures} documents={documents} onReview={setReviewing} />
      <ChangedElsewhere room={room} view={view} flow={flow} />
      {signatures.length > 0 && <Signatures room={room} view={view} ids={signatures} next={toSign(view, signatures)} />}
      {documents.length > 0 && <Documents view={view} flow={flow} ids={documents} onReview={setReviewing} />}
      <FieldPanel room={room} view={view} flow={flow} />
      <Aside room={room} view={view} />
      {reviewing && <Review room={room} view={view} flow={flow} id={reviewing} onClose={() => setReviewing(null)} />}
    </>
  );
}

const signaturesOf = (step: Step, view: FacilityView): string[] =>
  allOf(step.items).filter((one) => one.signature && view.enabled.includes(one.linkId)).map((one) => one.linkId);

/** The signature to ask for now: nothing else of the step is missing. */
function toSign(view: FacilityView, signatures: string[]): string | null {
  const missing = view.missing ?? [];
  const open = missing.filter((id) => signatures.includes(id) && view.signatures[id]?.status !== "declined");
  return open.length > 0 && missing.every((id) => signatures.includes(id)) ? (open[0] ?? null) : null;
}

// -- the next action ---------------------------------------------------------------------------

interface NextProps extends Props {
  signatures: string[];
  documents: string[];
  onReview: (id: string) => void;
}

interface Doing {
  label: string;
  identity: string;
  reason: string | null | undefined;
  run: () => unknown;
}

function Next({ room, view, flow, signatures, documents, onReview }: NextProps) {
  const [unsigned, setUnsigned] = useState<Overridable | null>(null);
  const [skipping, setSkipping] = useState(false);
  useEffect(() => setUnsigned(null), [view.step_id, view.missing_reason]);
  const blocked = (command: string) => view.blocked?.[command];
  const give = (intent: Intent) => () => app.command(room, intent);
  const move = (intent: Overridable) => app.command(room, intent).catch(orReason(intent, setUnsigned));
  const [before, here, after] = [-1, 0, 1].map((way) => stepsOn(flow, view)[view.step_index + way]);
  const leads = view.participants[app.me()]?.host === true;
  const sign = toSign(view, signatures);
  const received = documents.find((id) => view.documents[id]?.status === "received");
  const signing = view.signature?.status === "requested";
  const on: Doing =
    after === undefined
      ? { label: t("next.finish"), identity: "finish", reason: blocked("COMPLETE"), run: () => move({ type: "COMPLETE" }) }
      : {
          label: t("next.next"),
          identity: `next ${after.id}`,
          reason: blocked("NAVIGATE") ?? (onlyDeclined(view) ? null : view.missing_reason),
          run: () => move({ type: "NAVIGATE", step_id: after.id }),
        };
  const doing = ((): Doing => {
    if (!leads) return { label: t("next.take_over"), identity: "take-over", reason: blocked("TAKE_OVER"), run: give({ type: "TAKE_OVER" }) };
    if (view.status === "paused") return { label: t("next.resume"), identity: "resume", reason: blocked("RESUME"), run: give({ type: "RESUME" }) };
    if (received !== undefined) {
      const label = t("next.review", { document: questionOf(flow, received) });
      return { label, identity: `review ${received}`, reason: blocked("FETCH_DOCUMENT"), run: () => onReview(received) };
    }
    if (sign !== null && !signing) {
      const label = view.signatures[sign]?.status === "signed" ? t("sign.again") : t("sign.ask");
      return { label, identity: `sign ${sign}`, reason: blocked("REQUEST_SIGNATURE"), run: () => app.command(room, signIntent(sign)) };
    }
    return on;
  })();
  const below = doing.reason ? saidBelow(view, doing.reason) : null;
  const skippable = after !== undefined && here?.skippable === true && Boolean(view.missing_reason) && !blocked("NAVIGATE");
  return (
    <section class="next" aria-label={t("next.title")}>
      <Action label={doing.label} identity={doing.identity} kind="primary" hotkey="n" silent={below !== null} reason={doing.reason && (below ?? doing.reason)} run={doing.run} />
      <Missing room={room} view={view} flow={flow} />
      <div class="pair">
        <Action
          label={t("next.back")}
          identity={`back ${before?.id ?? ""}`}
          kind="quiet"
          hotkey="b"
          silent
          reason={blocked("NAVIGATE") ?? (before ? null : t("next.first"))}
          run={() => app.command(room, { type: "NAVIGATE", step_id: present(before).id })}
        />
        {signing ? (
          <Action label={t("sign.cancel")} kind="quiet" hotkey="s" reason={blocked("CANCEL_SIGNATURE")} run={give({ type: "CANCEL_SIGNATURE" })} />
        ) : doing !== on && !on.reason ? (
          <Action label={on.label} identity={on.identity} kind="quiet" run={on.run} />
        ) : (
          <Action
            label={t("next.skip")}
            kind="quiet"
            silent
            reason={skippable ? null : t("next.skip_not")}
            run={() => setSkipping(true)}
          />
        )}
      </div>
      {unsigned && <DeclinedReason room={room} intent={unsigned} onClose={() => setUnsigned(null)} />}
      {skipping && after && (
        <ReasonDialog
          title={t("next.skip_title")}
          ask={t("next.skip_why")}
          confirm={t("next.skip_confirm")}
          onClose={() => setSkipping(false)}
          run={(override_reason) => app.command(room, { type: "NAVIGATE", step_id: after.id, override_reason })}
        />
      )}
    </section>
  );
}

/** How many of what is missing are named. */
const NAMED = 6;

const missingOf = (view: FacilityView) => (view.missing ?? []).filter((id) => view.signatures[id]?.status !== "declined");

/** What is said below the next action of why it cannot be done now; null: nothing is. */
function saidBelow(view: FacilityView, reason: string): string | null {
  const n = missingOf(view).length;
  return awaited(view) ?? (n > 0 && reason === view.missing_reason ? t("missing.title", { n }) : null);
}

/** What comes before all that is missing: the patient is not here yet, signs, or another screen leads. */
function awaited(view: FacilityView): string | null {
  const leads = Object.entries(view.participants).find(([, one]) => one.host)?.[0];
  if (leads !== app.me()) return leads ? t("missing.other_leads", { screen: app.nameOf(leads) }) : t("missing.nobody_leads");
  if (view.status === "waiting") return t("missing.waiting");
  return view.signature?.status === "requested" ? t("missing.signing") : null;
}

/** Why it is still missing, where its name alone does not say it. */
function whyMissing(view: FacilityView, item: Item | undefined, id: string): string | null {
  const document = view.documents[id]?.status;
  if (document === "rejected" || document === "receiving") return t(`document.${document}`);
  if (item?.consent && item.type !== "boolean") return t("missing.unread");
  if (item?.type === "group") return t("missing.too_few");
  const { error, correction } = view.fields[id] ?? {};
  if (correction) return t("missing.correction");
  if (!error) return null;
  // An attestation that is No; of other answers, how they are written is for the patient to read.
  return item?.type === "boolean" ? box(error) : t("missing.invalid");
}

/** What is missing on the step; a press points the patient to it. */
function Missing({ room, view, flow }: Props) {
  const [refusal, setRefusal] = useState<string | null>(null);
  const missing = missingOf(view);
  const first = awaited(view);
  if (first !== null) return <p class="missing awaited" role="status">{first}</p>;
  if (onlyDeclined(view)) return <p class="missing awaited">{t("missing.declined")}</p>;
  if (view.ready_since) return <p class="missing none" role="status">{t("missing.ready", { time: clock(view.ready_since) })}</p>;
  if (missing.length === 0) return <p class="missing none">{t("missing.none")}</p>;
  const point = (id: string) => {
    if (view.blocked?.["HIGHLIGHT_FIELD"]) return;
    setRefusal(null);
    room.selected.value = id;
    app.command(room, { type: "HIGHLIGHT_FIELD", field_id: id }).catch((error: unknown) => setRefusal(app.wordsOf(error)));
  };
  return (
    <div class="missing">
      <p id="missing-title">{t("missing.title", { n: missing.length })}</p>
      <ul aria-labelledby="missing-title">
        {missing.slice(0, NAMED).map((id) => (
          <li key={id}>
            <button
              type="button"
              class="quiet"
              aria-disabled={view.blocked?.["HIGHLIGHT_FIELD"] ? true : undefined}
              onClick={() => point(id)}
              dir="auto"
            >
              {questionOf(flow, id).slice(0, 80)}
            </button>
            {whyMissing(view, itemOf(flow, id), id) && <span class="why-missing">{whyMissing(view, itemOf(flow, id), id)}</span>}
          </li>
        ))}
      </ul>
      {missing.length > NAMED && <p class="hint">{t("missing.more", { n: missing.length - NAMED })}</p>}
      <p class="refusal" role="alert">{refusal}</p>
    </div>
  );
}

// -- what is seldom needed ---------------------------------------------------------------------

function Aside({ room, view }: Omit<Props, "flow">) {
  const [asking, setAsking] = useState<"cancel" | "end" | "device" | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const blocked = (command: string) => view.blocked?.[command];
  const give = (intent: Intent) => () => app.command(room, intent);
  const hidden = view.covered || (view.locked ?? false);
  const leads = view.participants[app.me()]?.host === true;
  const last = view.step_index + 1 >= view.steps_total;
  const paused = view.status === "paused";
  return (
    <section class="aside" aria-labelledby="screen-actions">
      <h2 id="screen-actions">{t("aside.title")}</h2>
      <div class="aside-buttons">
        <Action
          small
          kind="quiet"
          silent
          label={hidden ? t("aside.show") : t("aside.cover")}
          hotkey="c"
          pressed={hidden}
          reason={blocked("COVER_SCREEN")}
          run={give({ type: "COVER_SCREEN", covered: !hidden })}
        />
        <Action small kind="quiet" silent label={t("aside.pause")} hotkey="p" reason={paused ? t("state.paused") : blocked("PAUSE")} run={give({ type: "PAUSE" })} />
        <Action small kind="quiet" silent label={t("aside.change")} reason={blocked("REPLACE_PATIENT_DEVICE")} run={() => setAsking("device")} />
        {!last && <Action small kind="quiet" silent label={t("next.finish")} reason={blocked("COMPLETE")} run={give({ type: "COMPLETE" })} />}
        {!leads && desk.isSupervisor.value ? (
          <Action small kind="danger" label={t("end.button")} run={() => setAsking("end")} />
        ) : (
          <Action small kind="danger" silent label={t("cancel.button")} reason={blocked("CANCEL")} run={() => setAsking("cancel")} />
        )}
      </div>
      <label class="self-paced">
        <input
          type="checkbox"
          checked={view.self_paced === true}
          disabled={Boolean(blocked("SET_SELF_PACED"))}
          onChange={({ currentTarget: { checked } }) => {
            setRefusal(null);
            app
              .command(room, { type: "SET_SELF_PACED", self_paced: checked ? true : null })
              .catch((error: unknown) => setRefusal(app.wordsOf(error)));
          }}
        />
        <span>{t("next.self_paced")}</span>
      </label>
      <p class="refusal" role="alert">{refusal}</p>
      {asking === "cancel" && (
        <ReasonDialog
          title={t("cancel.title")}
          ask={t("cancel.why")}
          confirm={t("cancel.confirm")}
          danger
          onClose={() => setAsking(null)}
          run={(reason) => app.command(room, { type: "CANCEL", reason })}
        />
      )}
      {asking === "end" && <EndDialog session={view.session} onClose={() => setAsking(null)} />}
      {asking === "device" && <ChangeDevice room={room} view={view} onClose={() => setAsking(null)} />}
    </section>
  );
}
