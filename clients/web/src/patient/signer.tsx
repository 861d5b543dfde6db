// Who signs: the patient, or somebody for the patient; and the name that stands with the signature.
import { useMemo, useState } from "preact/hooks";
import type { PatientView } from "../../generated/wire.ts";
import { QUIET } from "../fields/control.tsx";
import { type Flow, itemOf, type NamePart } from "../lib/flow.ts";
import type { Say, Word } from "../words.ts";

/** What the wire says for each; the words of a person who is something else stand for themselves. */
const RELATIONSHIPS: [string, Word][] = [
  ["parent", "relParent"],
  ["guardian", "relGuardian"],
  ["spouse", "relSpouse"],
  ["health care agent", "relAgent"],
];
const OTHER = "other";
const NAMES_THE_SIGNER = /(^|[-_.])(signer-name|printed-name|full-name)$/;

export interface Signer {
  forOther: boolean;
  chosen: string;
  words: string;
  name: string;
}

/** What keeps a signature from being sent, beside the part of the screen that it is about. */
export type Faults = Partial<Record<"name" | "relationship" | "pad", Word>>;

/**
 * Nobody yet, with the name that is offered: of the question on this step that asks for the signer;
 * else the patient's, where the view has it; else the one last printed in this session.
 */
export function nobody(flow: Flow, view: PatientView, printed: string): Signer {
  const asked = view.enabled.find((id) => itemOf(flow, id)?.type === "string" && NAMES_THE_SIGNER.test(id));
  const named = asked === undefined ? "" : textOf(view, asked);
  return { forOther: false, chosen: "", words: "", name: named || patientName(flow, view) || printed };
}

const textOf = (view: PatientView, id: string): string => {
  const value = view.fields[id]?.value;
  return typeof value === "string" ? value.trim() : "";
};

/** The patient's name as the fields of the view have it; empty if they do not. */
export function patientName(flow: Flow, view: PatientView): string {
  const known = view.signature?.covers?.patient ?? [];
  const named = (part: NamePart) =>
    known
      .filter((id) => flow.nameParts.get(itemOf(flow, id)?.linkId ?? "") === part)
      .map((id) => textOf(view, id))
      .filter(Boolean)
      .join(" ");
  return named("text") || [named("given"), named("family")].filter(Boolean).join(" ");
}

export function relationshipOf(signer: Signer): string {
  if (!signer.forOther) return "";
  return signer.chosen === OTHER ? signer.words.trim() : signer.chosen;
}

export function faultsOf(signer: Signer, drawn: boolean): Faults {
  const faults: Faults = {};
  if (signer.forOther && relationshipOf(signer) === "") faults.relationship = "relationshipMissing";
  if (signer.name.trim() === "") faults.name = "nameMissing";
  else if (!drawn) faults.pad = "padMissing";
  return faults;
}

/** Those of the faults that were shown which are faults still. */
export function stillOf(shown: Faults, now: Faults): Faults {
  return Object.fromEntries(Object.entries(now).filter(([part]) => part in shown));
}

export function useSigner(flow: Flow, view: PatientView, printed: string): [Signer, (change: Partial<Signer>) => void] {
  const [signer, setSigner] = useState(() => nobody(flow, view, printed));
  const patient = useMemo(() => patientName(flow, view), []);
  return [signer, (change) => setSigner((now) => changed(now, change, patient))];
}

/** Who signs for somebody else has another name: the patient's, if it was offered, goes. */
export function changed(now: Signer, change: Partial<Signer>, patient: string): Signer {
  const next = { ...now, ...change };
  if (next.forOther && !now.forOther && now.name === patient) next.name = "";
  else if (!next.forOther && now.forOther && now.name === "") next.name = patient;
  return next;
}

interface Props {
  say: Say;
  signer: Signer;
  faults: Faults;
  change: (change: Partial<Signer>) => void;
}

export function WhoSigns({ say, signer, faults, change }: Props) {
  return (
    <section class="who-signs">
      <div class="field">
        <fieldset>
          <legend>{say("whoSigns")}</legend>
          <div class="choice-list">
            <Who say={say} word="signForMe" checked={!signer.forOther} pick={() => change({ forOther: false })} />
            <Who say={say} word="signForOther" checked={signer.forOther} pick={() => change({ forOther: true })} />
          </div>
        </fieldset>
      </div>
      {signer.forOther && <Relationship say={say} signer={signer} faults={faults} change={change} />}
      <Name say={say} signer={signer} faults={faults} change={change} />
    </section>
  );
}

function Who({ say, word, checked, pick }: { say: Say; word: Word; checked: boolean; pick: () => void }) {
  return (
    <label class="choice">
      <input type="radio" name="who-signs" checked={checked} onChange={pick} />
      <span>{say(word)}</span>
    </label>
  );
}

function Relationship({ say, signer, faults, change }: Props) {
  const other = signer.chosen === OTHER;
  return (
    <div class="field">
      <label for="sign-relationship">{say("relationship")}</label>
      <select
        id="sign-relationship"
        {...described(faults.relationship && !other, "relationship-error")}
        value={signer.chosen}
        onChange={({ currentTarget }) => change({ chosen: currentTarget.value })}
      >
        <option value="">{say("choose")}</option>
        {RELATIONSHIPS.map(([value, word]) => (
          <option key={value} value={value}>{say(word)}</option>
        ))}
        <option value={OTHER}>{say("relOther")}</option>
      </select>
      {other && <OwnWords say={say} signer={signer} faults={faults} change={change} />}
      {faults.relationship && <p class="error" id="relationship-error">{say(faults.relationship)}</p>}
    </div>
  );
}

function OwnWords({ say, signer, faults, change }: Props) {
  return (
    <input
      id="sign-relationship-words"
      type="text"
      dir="auto"
      autocomplete="off"
      maxLength={100}
      aria-label={say("relationshipWords")}
      placeholder={say("otherText")}
      {...described(faults.relationship, "relationship-error")}
      value={signer.words}
      onInput={({ currentTarget }) => change({ words: currentTarget.value })}
    />
  );
}

function Name({ say, signer, faults, change }: Props) {
  return (
    <div class="field">
      <label for="sign-name">{say("printedName")}</label>
      <div class="hint" id="sign-name-hint">{say(signer.forOther ? "printedNameOther" : "printedNameHint")}</div>
      <input
        id="sign-name"
        type="text"
        dir="auto"
        {...QUIET}
        maxLength={120}
        aria-required
        aria-invalid={faults.name ? true : undefined}
        aria-describedby={faults.name ? "sign-name-hint name-error" : "sign-name-hint"}
        value={signer.name}
        onInput={({ currentTarget }) => change({ name: currentTarget.value })}
      />
      {faults.name && <p class="error" id="name-error">{say(faults.name)}</p>}
    </div>
  );
}

function described(wrong: unknown, by: string) {
  return wrong ? ({ "aria-invalid": true, "aria-describedby": by } as const) : {};
}
