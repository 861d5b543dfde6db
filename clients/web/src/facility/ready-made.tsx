// Ready-made words: staff choose them in their language, and the patient reads them in the patient's.
import type { FacilityView } from "../../generated/wire.ts";
import { READY_IN } from "../canned.ts";
import type { Flow } from "../lib/flow.ts";
import { nameOf as languageName } from "../words.ts";
import { language, t } from "./messages.ts";

/** The patient's language, as far as what is ready-made comes in it. */
export function theirs(view: FacilityView, flow: Flow): string {
  const chosen = view.patient_screen?.language ?? flow.language ?? "en";
  return READY_IN.includes(chosen.split("-")[0] ?? "") ? chosen : "en";
}

interface Props<Code extends string> {
  legend: string;
  codes: readonly Code[];
  /** Null: the staff's own words. */
  chosen: Code | null;
  choose: (code: Code | null) => void;
  wordsIn: (language: string, code: Code) => string;
  /** The language in which the patient reads them. */
  patients: string;
}

export function ReadyMade<Code extends string>({ legend, codes, chosen, choose, wordsIn, patients }: Props<Code>) {
  return (
    <>
      <fieldset class="field ready-made">
        <legend>{legend}</legend>
        {codes.map((one) => (
          <label class="pick" key={one}>
            <input type="radio" name="ready-made" checked={chosen === one} onChange={() => choose(one)} />
            <span>{wordsIn(language.value, one)}</span>
          </label>
        ))}
        <label class="pick">
          <input type="radio" name="ready-made" checked={chosen === null} onChange={() => choose(null)} />
          <span>{t("correct.own")}</span>
        </label>
      </fieldset>
      {chosen !== null && (
        <p class="travels" data-canned>
          {t("canned.goes_as", { words: wordsIn(patients, chosen), language: languageName(patients) })}
        </p>
      )}
    </>
  );
}
