// Completed check-ins that are not delivered, because nobody knows whose they are: staff say it.
import { useState } from "preact/hooks";
import type { HeldLine } from "../../generated/wire.ts";
import * as app from "./app.ts";
import { listed, type Message, months, t } from "./messages.ts";
import { Action, Dialog } from "./parts.tsx";

const LACKS: Record<string, Message> = { name: "held.name", birthDate: "held.birth_date" };

const lackOf = (line: HeldLine) => listed(line.missing.map((one) => (LACKS[one] ? t(LACKS[one]) : one)));

/** Why one is held, and what to do. */
export function HeldNote({ line }: { line: HeldLine }) {
  const [asking, setAsking] = useState(false);
  return (
    <div class="held-note">
      <p class="reason">
        {t("held.why", { destinations: listed(line.destinations), lacks: lackOf(line) })}
      </p>
      <button type="button" class="primary small" onClick={() => setAsking(true)}>
        {t("held.button")}
      </button>
      {asking && <Identify line={line} onClose={() => setAsking(false)} />}
    </div>
  );
}

const SEXES = [
  ["", "sex.none"],
  ["female", "sex.female"],
  ["male", "sex.male"],
  ["other", "sex.other"],
  ["unknown", "sex.unknown"],
] as const satisfies readonly (readonly [string, Message])[];
type Sex = (typeof SEXES)[number][0];

/** A day as FHIR has it, or why it is none. */
export function dayOf(day: string, month: string, year: string): { date: string } | { problem: string } {
  const parts = [year, month, day].map(Number);
  const [y = 0, m = 0, d = 0] = parts;
  const made = new Date(Date.UTC(y, m - 1, d));
  const isDay = /^\d{4}$/.test(year.trim()) && /^\d{1,2}$/.test(day.trim()) && made.getUTCMonth() === m - 1 && made.getUTCDate() === d;
  if (!isDay) return { problem: t("held.bad_day") };
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
  const reason = nameless ? t("held.nameless") : "problem" in born ? born.problem : null;
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
    <Dialog title={t("held.title")} onClose={onClose}>
      <div class="stack">
        <p class="hint">{t("held.hint")}</p>
        {lacks("name") && (
          <>
            <Text id="held-family" label={t("held.family")} value={family} onValue={setFamily} />
            <Text id="held-given" label={t("held.given")} value={given} onValue={setGiven} />
          </>
        )}
        {lacks("birthDate") && (
          <fieldset class="field born">
            <legend>{t("held.born")}</legend>
            <Text id="held-day" label={t("held.day")} value={day} onValue={(text) => setBorn([text, month, year])} />
            <div class="field">
              <label for="held-month">{t("held.month")}</label>
              <select id="held-month" value={month} onChange={({ currentTarget }) => setBorn([day, currentTarget.value, year])}>
                <option value="">{t("choose")}</option>
                {months().map((name, n) => (
                  <option value={String(n + 1)}>{name}</option>
                ))}
              </select>
            </div>
            <Text id="held-year" label={t("held.year")} value={year} onValue={(text) => setBorn([day, month, text])} />
          </fieldset>
        )}
        <div class="field">
          <label for="held-sex">
            {t("held.sex")} <span class="optional">{t("optional")}</span>
          </label>
          <select id="held-sex" value={sex} onChange={({ currentTarget }) => setSex(currentTarget.value as Sex)}>
            {SEXES.map(([code, name]) => (
              <option value={code}>{t(name)}</option>
            ))}
          </select>
        </div>
        <Action label={t("held.send")} kind="primary" reason={reason} run={send} />
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
