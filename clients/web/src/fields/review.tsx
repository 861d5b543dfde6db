// "Check your answers": what was entered on the other steps, and a way back to each.
import { useSheet } from "./sheet.ts";
import { itemOf } from "../lib/flow.ts";
import { byStep, labelOf, type ReviewedStep, said } from "../lib/review.ts";
import type { Word } from "../words.ts";

const DOCUMENT: Record<string, Word> = {
  receiving: "reviewDocReceiving",
  received: "reviewDocReceived",
  accepted: "reviewDocAccepted",
  rejected: "reviewDocRejected",
};

export function AnswerReview({ depth }: { depth: number }) {
  const { flow, shown } = useSheet();
  return (
    <div class="review">
      {byStep(flow, shown.review ?? []).map((one) => (
        <StepReview key={one.step.id} one={one} depth={depth} />
      ))}
    </div>
  );
}

function StepReview({ one: { step, lines }, depth }: { one: ReviewedStep; depth: number }) {
  const { flow, shown, say, language, hands } = useSheet();
  const Heading = `h${Math.min(depth, 6)}` as "h2";
  const title = step.title(language);
  const asked = shown.help_step === step.id;
  return (
    <section class="review-step" data-review={step.id} data-asked={asked || undefined}>
      <div class="review-head">
        <Heading dir="auto">{title}</Heading>
        {hands && (
          <button type="button" class="secondary small" disabled={asked} onClick={() => hands.askToChange(step.id)}>
            {say(asked ? "changeAsked" : "askToChange")}
            <span class="visually-hidden">: {title}</span>
          </button>
        )}
      </div>
      <dl>
        {lines.map((line) => (
          <div key={line.field_id}>
            <dt dir="auto">{labelOf(flow, line.field_id, language)}</dt>
            <dd dir="auto">
              {line.document
                ? say(DOCUMENT[line.document] ?? "docMissing")
                : said(itemOf(flow, line.field_id), line.value, say, language)}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
