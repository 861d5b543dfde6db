// Completed check-ins that are not delivered, because nobody knows whose they are: staff say it.
import { useState } from "preact/hooks";
import type { HeldLine } from "../../generated/wire.ts";
import * as app from "./app.ts";
import { Action, ago, Dialog, useNow } from "./parts.tsx";

const LACKS: Record<string, string> = { name: "name", birthDate: "birth date" };

const lackOf = (line: HeldLine) => line.missing.map((one) => LACKS[one] ?? one).join(" and ");

/** All of them, in the lobby. */
export function HeldList() {
  const now = useNow(15_000);
  if (app.held.value.length === 0) return null;
  return (
    <section class="held" aria-labelledby="held-title">
      <h2 id="held-title">Complete, but not delivered</h2>
      <ul>
        {app.held.value.map((line) => (
          <li key={line.session}>
            <a href={`#session=${line.session}`} dir="auto">{line.label ?? "No name given"}</a>
            <span class="hint" dir="auto">
              {app.known.value.get(line.flow_ref)?.title(null) ?? line.flow_ref}, completed {ago(line.completed_at, now)}
              {" ago"}
            </span>
            <HeldNote line={line} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Why one is held, and what to do. */
export function HeldNote({ line }: { line: HeldLine }) {
  const [asking, setAsking] = useState(false);
  return (
    <div class="held-note">
      <p class="reason">
        Not delivered to {line.destinations.join(", ")}: the patient is not identified. The answers do not say the{" "}
        {lackOf(line)}.
      </p>
      <button type="button" class="primary small" onClick={() => setAsking(true)}>
        Say who the patient is…
      </button>
      {asking && <Identify line={line} onClose={() => setAsking(false)} />}
    </div>
  );
}

const MONTHS = Array.from({ length: 12 }, (_, n) => new Date(2000, n, 1).toLocaleString("en", { month: "long" }));
const SEXES = [["", "Not stated"], ["female", "Female"], ["male", "Male"], ["other", "Other"], ["unknown", "Unknown"]] as const;
type Sex = (typeof SEXES)[number][0];

/** A day as FHIR has it, or why it is none. */
export function dayOf(day: string, month: string, year: string): { date: string } | { problem: string } {
  const parts = [year, month, day].map(Number);
  const [y = 0, m = 0, d = 0] = parts;
  const made = new Date(Date.UTC(y, m - 1, d));
  const isDay = /^\d{4}$/.test(year.trim()) && /^\d{1,2}$/.test(day.trim()) && made.getUTCMonth() === m - 1 && made.getUTCDate() === d;
  if (!isDay) return { problem: "Enter day, month and a year of four digits." };
  return { date: made.toISOString().slice(0, 10) };
}

function Identify({ line, onClose }: { line: HeldLine; onClose: () => void }) {
  const [family, setFamily] = useState("");
  const [given, setGiven] = useState("");
  const [[day, month, year], setBorn] = useState<[string, string, string]>(["", "", ""]);
  const [sex, setSex] = useState<Sex>("");
  const lacks = (element: string) => line.missing.includes(element);
  const born = lacks("birthDate") ? dayOf(day, month, year) : { date: null };
  const nameless = lacks("name") && !family.trim() && !given.trim();
  const reason = nameless ? "Enter a family name or a given name." : "problem" in born ? born.problem : null;
  const send = () =>
    app
      .identify({
        session: line.session,
        family: family.trim() || null,
        given: given.trim() ? [given.trim()] : [],
        birth_date: "date" in born ? born.date : null,
        gender: sex || null,
        staff_name: app.actingName.value || null,
      })
      .then(onClose);
  return (
    <Dialog title="Who is the patient?" onClose={onClose}>
      <div class="stack">
        <p class="hint">The record says that staff stated this, and on which screen. Check an identity document.</p>
        {lacks("name") && (
          <>
            <Text id="held-family" label="Family name" value={family} onValue={setFamily} />
            <Text id="held-given" label="Given names" value={given} onValue={setGiven} />
          </>
        )}
        {lacks("birthDate") && (
          <fieldset class="field born">
            <legend>Birth date</legend>
            <Text id="held-day" label="Day" value={day} onValue={(text) => setBorn([text, month, year])} />
            <div class="field">
              <label for="held-month">Month</label>
              <select id="held-month" value={month} onChange={({ currentTarget }) => setBorn([day, currentTarget.value, year])}>
                <option value="">Choose…</option>
                {MONTHS.map((name, n) => (
                  <option value={String(n + 1)}>{name}</option>
                ))}
              </select>
            </div>
            <Text id="held-year" label="Year" value={year} onValue={(text) => setBorn([day, month, text])} />
          </fieldset>
        )}
        <div class="field">
          <label for="held-sex">
            Sex <span class="optional">(optional)</span>
          </label>
          <select id="held-sex" value={sex} onChange={({ currentTarget }) => setSex(currentTarget.value as Sex)}>
            {SEXES.map(([code, name]) => (
              <option value={code}>{name}</option>
            ))}
          </select>
        </div>
        <Action label="Record and deliver" kind="primary" reason={reason} run={send} />
      </div>
    </Dialog>
  );
}

interface TextProps {
  id: string;
  label: string;
  value: string;
  onValue: (text: string) => void;
}

function Text({ id, label, value, onValue }: TextProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} type="text" autocomplete="off" spellcheck={false} maxLength={200} value={value} onInput={({ currentTarget }) => onValue(currentTarget.value)} />
    </div>
  );
}
