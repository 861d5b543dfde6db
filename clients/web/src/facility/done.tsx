// After the end: the record to view and to print, how its delivery stands, and the next check-in here.
import { useEffect, useState } from "preact/hooks";
import type { DeliveryOutcome, FacilityView } from "../../generated/wire.ts";
import * as app from "./app.ts";
import { type Message, t } from "./messages.ts";
import { NewSession } from "./new-session.tsx";
import { Action, Dialog } from "./parts.tsx";
import { printBlob } from "./printing.ts";
import { deliveriesOf, readRecord, wordsOf } from "./records.ts";
import { Document } from "./viewer.tsx";

export function DonePanel({ view }: { view: FacilityView }) {
  const [opening, setOpening] = useState(false);
  const [record, setRecord] = useState<Blob | null>(null);
  const patient = Object.entries(view.participants).find(([, one]) => one.role === "patient")?.[0];
  const kiosk = app.kiosks.value.find((one) => one.device === patient);
  const completed = view.status === "completed";
  return (
    <>
      <section class="next" aria-label={t("next.title")}>
        <Action
          label={kiosk ? t("done.next_on", { screen: kiosk.name }) : t("done.next")}
          identity="new check-in"
          kind="primary"
          hotkey="n"
          run={() => setOpening(true)}
        />
        {completed && (
          <div class="pair">
            <Action label={t("done.record")} run={() => readRecord(view.session).then(setRecord)} />
            <Action label={t("done.print")} run={() => readRecord(view.session).then(printBlob)} />
          </div>
        )}
        <button type="button" class="quiet" onClick={() => app.go(null)}>{t("room.back")}</button>
      </section>
      {completed && <Deliveries view={view} />}
      {opening && <NewSession device={kiosk?.device ?? null} flow={view.flow_ref} onClose={() => setOpening(false)} />}
      {record && (
        <Dialog title={t("done.record_of", { label: view.label ?? t("no_label") })} onClose={() => setRecord(null)} wide>
          <Document blob={record} url={null} label={t("done.record_name")} />
          <div class="buttons">
            <span class="grow" />
            <Action label={t("done.print")} kind="primary" run={() => printBlob(record)} />
          </div>
        </Dialog>
      )}
    </>
  );
}

// -- delivery ----------------------------------------------------------------------------------

const STATES: Record<DeliveryOutcome["status"], Message> = {
  waiting: "delivery.waiting",
  delivered: "delivery.delivered",
  refused: "delivery.refused",
  held: "delivery.held",
};
const CHIPS: Record<DeliveryOutcome["status"], string> = { waiting: "received", delivered: "accepted", refused: "rejected", held: "received" };
/** While something is on its way, the box is asked again after so long. */
const AGAIN_MS = 4_000;

function Deliveries({ view }: { view: FacilityView }) {
  const [outcomes, setOutcomes] = useState<DeliveryOutcome[] | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const held = app.held.value.some((one) => one.session === view.session);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;
    const load = () =>
      deliveriesOf(view.session).then(
        (found) => {
          if (ended) return;
          setOutcomes(found);
          if (found.some((one) => one.status === "waiting")) timer = setTimeout(() => void load(), AGAIN_MS);
        },
        (error: unknown) => setFault(app.wordsOf(error)),
      );
    void load();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [view.session, held, view.identified?.at]);
  return (
    <section class="action-group" aria-labelledby="delivery-title">
      <h2 id="delivery-title">{t("delivery.title")}</h2>
      {view.test ? (
        <p class="hint">{t("room.test")}</p>
      ) : fault ? (
        <p class="refusal" role="alert">{fault}</p>
      ) : outcomes?.length === 0 ? (
        <p class="hint">{t("delivery.none")}</p>
      ) : (
        outcomes?.map((one) => <Outcome key={one.destination} outcome={one} />)
      )}
    </section>
  );
}

function Outcome({ outcome }: { outcome: DeliveryOutcome }) {
  const said = wordsOf(outcome);
  const reason = outcome.status === "delivered" || !outcome.reason ? null : outcome.reason.replaceAll("_", " ");
  return (
    <div class="document-line">
      <p>
        <span dir="auto">{outcome.destination}</span> <span class={`chip ${CHIPS[outcome.status]}`}>{t(STATES[outcome.status])}</span>
      </p>
      {reason && <p class="reason">{reason}</p>}
      {said && <blockquote class="said" dir="auto">{said}</blockquote>}
    </div>
  );
}
