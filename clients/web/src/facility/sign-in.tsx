// The sheet on which a person signs in, the warning before the log-off, and emergency access.
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf } from "../lib/requests.ts";
import { Mark } from "../mark.tsx";
import * as desk from "./desk.ts";
import { box, language, t } from "./messages.ts";
import { Action, Dialog } from "./parts.tsx";

const LONGEST_PIN = 12;
const PAD = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

export function SignInSheet() {
  const [person, setPerson] = useState("");
  const [pin, setPin] = useState("");
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const [emergency, setEmergency] = useState(false);
  const chooser = useRef<HTMLSelectElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const onlyIt = desk.signedIn.value !== null;
  useEffect(() => void desk.load(), []);
  useEffect(() => chooser.current?.focus(), [onlyIt]);
  const send = async () => {
    const missing = person ? (pin ? null : t("signin.no_pin")) : t("signin.no_name");
    setRefusal(missing);
    if (missing) return (person ? field : chooser).current?.focus();
    setBusy(true);
    try {
      await desk.signIn(person, pin);
    } catch (error) {
      setRefusal(messageOf(error));
      field.current?.focus();
    } finally {
      setPin("");
      setBusy(false);
    }
  };
  const press = (digit: string) => setPin((typed) => (typed + digit).slice(0, LONGEST_PIN));
  return (
    <main class="calm" aria-labelledby="sign-in-title">
      <Mark />
      <h1 id="sign-in-title">{t("signin.title")}</h1>
      <p class="hint" role="status">{noteOf(onlyIt)}</p>
      <WithProvider />
      <form
        class="code-form"
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <label for="person">{t("signin.name")}</label>
        <select id="person" ref={chooser} value={person} onChange={({ currentTarget }) => setPerson(currentTarget.value)}>
          <option value="">{t("choose")}</option>
          {desk.persons.value.map((one) => (
            <option value={one.person}>{one.name}</option>
          ))}
        </select>
        <label for="pin">PIN</label>
        <input
          id="pin"
          ref={field}
          type="password"
          inputMode="numeric"
          autocomplete="off"
          maxLength={LONGEST_PIN}
          aria-describedby="pin-fault"
          value={pin}
          onInput={({ currentTarget }) => setPin(currentTarget.value.replace(/\D/g, ""))}
        />
        <div class="pin-pad" role="group" aria-label={t("signin.digits")}>
          {PAD.map((digit) => (
            <button type="button" class="secondary" onClick={() => press(digit)}>{digit}</button>
          ))}
          <button type="button" class="quiet" onClick={() => setPin("")}>{t("signin.clear")}</button>
          <button type="button" class="secondary" onClick={() => press("0")}>0</button>
          <button type="button" class="quiet" aria-label={t("signin.delete")} onClick={() => setPin(pin.slice(0, -1))}>⌫</button>
        </div>
        <p class="error" id="pin-fault" role="alert">{refusal}</p>
        <button type="submit" class="primary large" aria-disabled={busy || undefined} disabled={busy}>
          {busy ? t("moment") : t("signin.title")}
        </button>
      </form>
      <button type="button" class="quiet" onClick={() => setEmergency(true)}>{t("emergency.open")}</button>
      {emergency && <Emergency onClose={() => setEmergency(false)} />}
    </main>
  );
}

/** The way over the site's provider; what came of it is said here. */
function WithProvider() {
  const name = desk.provider.value;
  if (name === null) return null;
  const action = <Action label={t("signin.provider", { name })} kind="secondary" run={() => desk.goToProvider()} />;
  return (
    <div class="with-provider">
      {desk.returning.value ? <p role="status">{t("signin.returning", { name })}</p> : action}
      <p class="error" role="alert">{desk.notReturned.value}</p>
    </div>
  );
}

function noteOf(onlyIt: boolean): string {
  if (onlyIt) return t("signin.only_it", { name: desk.signedIn.value?.name ?? "" });
  if (desk.leaving.value) return t("signin.leaving");
  return desk.wasLoggedOff.value || desk.secondsLeft.value === 0 ? t("signin.logged_off") : t("signin.go_on");
}

function Emergency({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [why, setWhy] = useState("");
  const reason = !name.trim() ? t("emergency.no_name") : why.trim().length < 3 ? t("emergency.no_why") : null;
  return (
    <Dialog title={t("emergency.title")} onClose={onClose}>
      <div class="stack">
        <p class="hint">{t("emergency.hint")}</p>
        <div class="field">
          <label for="emergency-name">{t("signin.name")}</label>
          <input id="emergency-name" type="text" autocomplete="off" maxLength={64} value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
        </div>
        <div class="field">
          <label for="emergency-why">{t("emergency.why")}</label>
          <input id="emergency-why" type="text" autocomplete="off" maxLength={300} value={why} onInput={({ currentTarget }) => setWhy(currentTarget.value)} />
        </div>
        <Action label={t("emergency.begin")} kind="danger" reason={reason} run={() => desk.beginEmergency(name.trim(), why.trim())} />
      </div>
    </Dialog>
  );
}

/** Who is signed in, in the bar of the desk. */
export function Who() {
  const who = desk.signedIn.value;
  if (who === null) return null;
  const until = who.emergency_until;
  return (
    <>
      <span class={until ? "badge alert" : "state"} dir="auto">
        {until ? t("emergency.until", { time: new Date(until).toLocaleTimeString(language.value), name: who.name }) : t("signin.who", { name: who.name })}
      </span>
      <button type="button" class="quiet" onClick={() => void desk.signOut()}>{t("signin.out")}</button>
      <span class="refusal" role="alert">{box(desk.notSignedOut.value ?? "")}</span>
    </>
  );
}

/** A minute before the box signs out. */
export function LogOffWarning() {
  const left = desk.secondsLeft.value;
  const [dismissed, setDismissed] = useState(false);
  const due = desk.signedIn.value !== null && left !== null && left <= desk.WARNING_S;
  useEffect(() => {
    if (!due) setDismissed(false);
  }, [due]);
  if (!due || dismissed) return null;
  const ends = desk.signedIn.value?.emergency_until != null;
  return (
    <Dialog title={ends ? t("logoff.soon") : t("logoff.there")} onClose={() => setDismissed(true)}>
      <div class="stack">
        <p role="alert">{t("logoff.warning")}</p>
        <Action label={t("logoff.stay")} kind="primary" run={() => desk.stay()} />
      </div>
    </Dialog>
  );
}

/** Emergency access that no supervisor has reviewed, in the lobby. */
export function Reviews() {
  const open = desk.accesses.value.filter((one) => one.reviewed_at === null);
  if (!desk.isSupervisor.value || open.length === 0) return null;
  return (
    <section class="held" aria-labelledby="reviews-title">
      <h2 id="reviews-title">{t("emergency.review")}</h2>
      <ul>
        {open.map((one) => (
          <li key={one.access}>
            <strong dir="auto">{one.name}</strong>
            <span class="hint">
              {one.device}, {new Date(one.begun_at).toLocaleString(language.value)}
            </span>
            <p class="reason" dir="auto">“{one.reason ?? t("emergency.unread")}”</p>
            <Action label={t("emergency.reviewed")} kind="primary" run={() => desk.review(one.access)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
