// The lobby: every open session at a glance, and a new one.
import { useEffect, useState } from "preact/hooks";
import type { LobbyLine } from "../../generated/wire.ts";
import * as app from "./app.ts";
import { HeldList } from "./identify.tsx";
import { Action, ago, Dialog, useNow } from "./parts.tsx";
import { Reviews } from "./sign-in.tsx";

export function LobbyScreen() {
  const [opening, setOpening] = useState(false);
  const now = useNow(15_000);
  const lines = app.lobby.value;
  useEffect(() => {
    const listen = () => setOpening(true);
    addEventListener("handrail-new", listen);
    return () => removeEventListener("handrail-new", listen);
  }, []);
  const waiting = [...(lines ?? [])].sort((a, b) => Number(b.help_requested) - Number(a.help_requested) || a.opened_at.localeCompare(b.opened_at));
  return (
    <main class="lobby">
      <div class="lobby-head">
        <h1>Check-ins</h1>
        <p class="count">{lines === null ? "" : lines.length === 0 ? "" : `${lines.length} open`}</p>
        <span class="grow" />
        <button type="button" class="primary" aria-keyshortcuts="n" onClick={() => setOpening(true)}>
          New check-in
        </button>
      </div>
      {lines === null ? (
        <p class="empty" role="status">Loading…</p>
      ) : lines.length === 0 ? (
        <div class="empty">
          <p class="lead">No one is checking in right now.</p>
          <p>Start with “New check-in”: send it to a tablet here, or show a code for the patient's own phone.</p>
        </div>
      ) : (
        <ul class="cards">
          {waiting.map((line) => (
            <Card key={line.session} line={line} now={now} />
          ))}
        </ul>
      )}
      {app.stuck.value > 0 && (
        <p class="banner warn" role="status">Deliveries are waiting: tell IT ({app.stuck.value})</p>
      )}
      <HeldList />
      <Reviews />
      {opening && <NewSession onClose={() => setOpening(false)} />}
    </main>
  );
}

function patientState(line: LobbyLine): string {
  if (line.patient_locked) return "Patient's screen is locked: nobody answered";
  return line.patient_idle ? "Nobody answers at the patient's screen" : "Patient is here";
}

const WAITING: Record<string, string> = { waiting: "Waiting for the patient", paused: "Paused" };

function Card({ line, now }: { line: LobbyLine; now: number }) {
  const flow = app.known.value.get(line.flow_ref);
  const step = flow?.steps.find((one) => one.id === line.step_id);
  const part = (100 * (line.step_index + (line.status === "waiting" ? 0 : 1))) / line.steps_total;
  const state = WAITING[line.status] ?? (line.patient_online ? patientState(line) : "Patient's screen is away");
  const dot = line.status === "active" && line.patient_online ? "on" : line.status === "active" ? "off" : "wait";
  return (
    <li class="card" data-help={line.help_requested || undefined}>
      <a href={`#session=${line.session}`}>
        <span class="card-title" dir="auto">{line.label ?? "No name given"}</span>
        {line.test && <span class="badge">Test</span>}
        {line.help_requested && <span class="badge alert">Asks for help</span>}
        <span class="card-flow" dir="auto">{flow?.title(null) ?? line.flow_ref}</span>
        <span class="card-step" dir="auto">
          Step {line.step_index + 1} of {line.steps_total}
          {step && `: ${step.title(null)}`}
        </span>
        <span class="meter" aria-hidden="true">
          <span style={{ width: `${part}%` }} />
        </span>
        <span class="card-foot">
          <span class={`dot ${dot}`} aria-hidden="true" />
          <span>{state}</span>
          <span class="grow" />
          <span title={line.opened_at}>{ago(line.opened_at, now)}</span>
        </span>
        <span class="card-host">
          {line.host === app.me() ? "You lead" : line.host ? `Led by ${app.nameOf(line.host)}` : "Nobody leads"}
        </span>
      </a>
    </li>
  );
}

function NewSession({ onClose }: { onClose: () => void }) {
  const flows = app.flows.value;
  const [flowId, setFlowId] = useState("");
  const [label, setLabel] = useState("");
  const [where, setWhere] = useState("");
  useEffect(() => void app.refresh(), []);
  const kiosks = app.kiosks.value;
  const chosen = flowId || (flows.find((one) => one.flow_id === "pre-registration") ?? flows[0])?.flow_id || "";
  const open = () => app.open({ flow_id: chosen, label: label.trim() || null, patient_device: where || null }).then(onClose);
  return (
    <Dialog title="New check-in" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          (event.currentTarget.querySelector(".action button") as HTMLButtonElement).click();
        }}
      >
        <div class="field">
          <label for="new-flow">Form</label>
          <select id="new-flow" value={chosen} onChange={({ currentTarget }) => setFlowId(currentTarget.value)}>
            {flows.map((one) => (
              <option value={one.flow_id}>{one.title}</option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="new-label">
            Label <span class="optional">(optional)</span>
          </label>
          <p class="hint" id="new-label-hint">So that you know whom it is for, such as “Room 3”. The patient's screen does not show it; the printed record does.</p>
          <input
            id="new-label"
            aria-describedby="new-label-hint"
            type="text"
            autocomplete="off"
            maxLength={120}
            value={label}
            onInput={({ currentTarget }) => setLabel(currentTarget.value)}
          />
        </div>
        <fieldset class="field">
          <legend>The patient's screen</legend>
          <label class="choice">
            <input type="radio" name="where" checked={where === ""} onChange={() => setWhere("")} />
            <span>A code and a QR code, for a phone or any tablet</span>
          </label>
          {kiosks.map((one) => (
            <label class="choice">
              <input
                type="radio"
                name="where"
                disabled={one.session !== null}
                checked={where === one.device}
                onChange={() => setWhere(one.device)}
              />
              <span>
                {app.nameAndRoom(one)}{" "}
                <span class="optional">{one.session ? "(in a check-in)" : one.online ? "" : "(switched off)"}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <Action label="Start" kind="primary" run={open} reason={flows.length === 0 ? "This box has no form yet." : null} />
      </form>
    </Dialog>
  );
}
