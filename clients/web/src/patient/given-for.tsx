// What a signature is given for besides its text: who the patient is, and which answers.
import type { CoversScope, PatientView } from "../../generated/wire.ts";
import { asText } from "../fields/said.ts";
import { type Flow, isEmpty, itemOf, listOf } from "../lib/flow.ts";
import type { Say, Word } from "../words.ts";

const SCOPES: Record<CoversScope, Word> = {
  step: "givenForStep",
  up_to_step: "givenForUpToStep",
  form: "givenForAll",
};

interface Props {
  flow: Flow;
  view: PatientView;
  language: string | null;
  say: Say;
}

export function GivenFor({ flow, view, language, say }: Props) {
  const covers = view.signature?.covers;
  if (!covers) return null;
  return (
    <section class="given-for" aria-labelledby="given-for">
      <h2 id="given-for">{say("givenFor")}</h2>
      {covers.patient.length > 0 && (
        <p dir="auto">
          {say("givenForPatient")}: {covers.patient.map((id) => named(flow, view, language, say, id)).join("; ")}
        </p>
      )}
      <p>
        {say(SCOPES[covers.scope])} {say("givenForChange")}
      </p>
    </section>
  );
}

/** A question and its answer; of another step, which the view has no values of, the question. */
function named(flow: Flow, view: PatientView, language: string | null, say: Say, id: string): string {
  const label = itemOf(flow, id)?.text(language) || say("unnamed");
  const value = view.fields[id]?.value;
  return isEmpty(value) ? label : `${label}: ${listOf(value).map(asText).join(", ")}`;
}
