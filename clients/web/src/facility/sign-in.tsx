// The sheet on which a person signs in, the warning before the log-off, and emergency access.
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf } from "../lib/requests.ts";
import { Mark } from "../mark.tsx";
import * as desk from "./desk.ts";
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
    const missing = person ? (pin ? null : "Enter your PIN.") : "Choose your name.";
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
      <h1 id="sign-in-title">Sign in</h1>
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
        <label for="person">Your name</label>
        <select id="person" ref={chooser} value={person} onChange={({ currentTarget }) => setPerson(currentTarget.value)}>
          <option value="">Choose…</option>
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
        <div class="pin-pad" role="group" aria-label="Digits of the PIN">
          {PAD.map((digit) => (
            <button type="button" class="secondary" onClick={() => press(digit)}>{digit}</button>
          ))}
          <button type="button" class="quiet" onClick={() => setPin("")}>Clear</button>
          <button type="button" class="secondary" onClick={() => press("0")}>0</button>
          <button type="button" class="quiet" aria-label="Delete the last digit" onClick={() => setPin(pin.slice(0, -1))}>⌫</button>
        </div>
        <p class="error" id="pin-fault" role="alert">{refusal}</p>
        <button type="submit" class="primary large" aria-disabled={busy || undefined} disabled={busy}>
          {busy ? "One moment…" : "Sign in"}
        </button>
      </form>
      <button type="button" class="quiet" onClick={() => setEmergency(true)}>Emergency access…</button>
      {emergency && <Emergency onClose={() => setEmergency(false)} />}
    </main>
  );
}

/** The way over the site's provider; what came of it is said here. */
function WithProvider() {
  const name = desk.provider.value;
  if (name === null) return null;
  const action = <Action label={`Sign in with ${name}`} kind="secondary" run={() => desk.goToProvider()} />;
  return (
    <div class="with-provider">
      {desk.returning.value ? <p role="status">One moment: the box asks {name} who you are…</p> : action}
      <p class="error" role="alert">{desk.notReturned.value}</p>
    </div>
  );
}

function noteOf(onlyIt: boolean): string {
  if (onlyIt) return `${desk.signedIn.value?.name ?? ""} is signed in; the role IT shows no check-ins.`;
  if (desk.leaving.value) return "Signed out here. The box is told as soon as it can be reached.";
  return desk.wasLoggedOff.value || desk.secondsLeft.value === 0 ? "Signed out, because nobody did anything here for a while." : "Check-ins go on meanwhile.";
}

function Emergency({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [why, setWhy] = useState("");
  const reason = !name.trim() ? "Enter your name." : why.trim().length < 3 ? "Say why." : null;
  return (
    <Dialog title="Emergency access" onClose={onClose}>
      <div class="stack">
        <p class="hint">
          For 30 minutes, without a PIN. It is recorded at once, and a supervisor reviews it. Do not name a patient here.
        </p>
        <div class="field">
          <label for="emergency-name">Your name</label>
          <input id="emergency-name" type="text" autocomplete="off" maxLength={64} value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
        </div>
        <div class="field">
          <label for="emergency-why">Why is it needed?</label>
          <input id="emergency-why" type="text" autocomplete="off" maxLength={300} value={why} onInput={({ currentTarget }) => setWhy(currentTarget.value)} />
        </div>
        <Action label="Begin emergency access" kind="danger" reason={reason} run={() => desk.beginEmergency(name.trim(), why.trim())} />
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
        {until ? `Emergency access until ${new Date(until).toLocaleTimeString()}: ${who.name}` : `Signed in: ${who.name}`}
      </span>
      <button type="button" class="quiet" onClick={() => void desk.signOut()}>Sign out</button>
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
    <Dialog title={ends ? "You will be signed out soon" : "Are you still there?"} onClose={() => setDismissed(true)}>
      <div class="stack">
        <p role="alert">This screen signs you out in less than a minute. Check-ins go on.</p>
        <Action label="Stay signed in" kind="primary" run={() => desk.stay()} />
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
      <h2 id="reviews-title">Emergency access to review</h2>
      <ul>
        {open.map((one) => (
          <li key={one.access}>
            <strong dir="auto">{one.name}</strong>
            <span class="hint">
              {one.device}, {new Date(one.begun_at).toLocaleString()}
            </span>
            <p class="reason" dir="auto">“{one.reason ?? "cannot be read"}”</p>
            <Action label="I have reviewed this" kind="primary" run={() => desk.review(one.access)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
