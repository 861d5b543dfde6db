// One step: its groups, texts and fields, as the flow has them and the controller says they are on.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { cannedIn } from "../canned.ts";
import { isEmpty, type Item, type Step, withOptions } from "../lib/flow.ts";
import { LAPSED, sentenceIn } from "../words.ts";
import { Choice, choiceStyle, YesNo } from "./choices.tsx";
import type { ScalarProps } from "./control.tsx";
import { dateExample } from "./dates.ts";
import { Document } from "./documents.tsx";
import { instancesIn, withNext } from "./instances.ts";
import { Reading } from "./reading.tsx";
import { AnswerReview } from "./review.tsx";
import { Scalar } from "./scalars.tsx";
import { SignatureState } from "./signature.tsx";
import { Several } from "./several.tsx";
import { isDated, problemOf } from "./problem.ts";
import { Words } from "./words.tsx";
import { type Control, domId, type How, isMasked, localeOfSheet, off, type Sheet, SheetContext, useSheet, valueOf } from "./sheet.ts";

export function StepScreen({ sheet, step }: { sheet: Sheet; step: Step }) {
  return (
    <SheetContext.Provider value={sheet}>
      <div class="step" key={step.id}>
        {step.items.map((item) =>
          item.type === "group" && step.items.length === 1 ? (
            <>
              {item.review && <AnswerReview depth={2} />}
              <Items items={item.repeats ? [item] : item.items} prefix="" depth={2} own={item.consent ? item : null} />
            </>
          ) : (
            <Items items={[item]} prefix="" depth={2} own={null} />
          ),
        )}
      </div>
    </SheetContext.Provider>
  );
}

interface Placed {
  items: Item[];
  prefix: string;
  depth: number;
  /** A group whose own text is to be read. */
  own?: Item | null;
}

function Items({ items, prefix, depth, own }: Placed) {
  return (
    <>
      {own && <FieldBox item={own} id={prefix + own.linkId} depth={depth} />}
      {items.map((item) => (
        <Placed key={prefix + item.linkId} item={item} prefix={prefix} depth={depth} />
      ))}
    </>
  );
}

function Placed({ item, prefix, depth }: { item: Item; prefix: string; depth: number }) {
  const sheet = useSheet();
  const id = prefix + item.linkId;
  if (item.type === "group" && !item.consent) {
    if (!holdsAny(sheet, item, prefix)) return null;
    return item.repeats ? (
      <Repeating item={item} prefix={prefix} depth={depth} />
    ) : (
      <Group title={item.text(sheet.language)} depth={depth}>
        {item.review && <AnswerReview depth={depth + 1} />}
        <Items items={item.items} prefix={prefix} depth={depth + 1} />
      </Group>
    );
  }
  if (item.type === "display" && !item.consent && !item.signature) {
    if (!sheet.enabled.has(id)) return null;
    return (
      <>
        <div class="words" dir="auto"><Words item={item} language={sheet.language} blocks /></div>
        {item.review && <AnswerReview depth={depth} />}
      </>
    );
  }
  if (!sheet.enabled.has(id)) return null;
  return <FieldBox item={item} id={id} depth={depth} />;
}

/** Whether anything of an item is on. */
function holdsAny(sheet: Sheet, item: Item, prefix: string): boolean {
  const id = prefix + item.linkId;
  if (item.type !== "group") return sheet.enabled.has(id);
  if (item.repeats) {
    const opening = `${id}[`;
    for (const one of sheet.enabled) if (one.startsWith(opening)) return true;
    return false;
  }
  return item.items.some((child) => holdsAny(sheet, child, prefix));
}

function Group({ title, depth, children }: { title: string; depth: number; children: ComponentChildren }) {
  const Heading = `h${Math.min(depth, 6)}` as "h2";
  return (
    <section class="group">
      {title && <Heading dir="auto">{title}</Heading>}
      {children}
    </section>
  );
}

function Repeating({ item, prefix, depth }: { item: Item; prefix: string; depth: number }) {
  const sheet = useSheet();
  const { say, language, hands } = sheet;
  const group = prefix + item.linkId;
  const count = instancesIn(sheet.enabled, group);
  const [adding, setAdding] = useState(false);
  const last = useRef<HTMLDivElement>(null);
  useEffect(() => setAdding(false), [count]);
  const title = item.text(language) || say("nth", { label: "", n: "" }).trim();
  const filled = (n: number) =>
    [...sheet.enabled].some((id) => id.startsWith(`${group}[${n}].`) && hasSomething(sheet, id));
  const opened = useMemo(() => withNext(sheet.enabled, sheet.shown, group), [sheet, group]);
  // An instance that is not there yet: an entry in it adds it.
  const draft = adding && opened ? { ...sheet, enabled: opened } : null;
  return (
    <Group title={title} depth={depth}>
      {Array.from({ length: draft ? count + 1 : count }, (_, n) => {
        const inside = `${group}[${n}].`;
        const isDraft = n >= count;
        const part = <Items items={item.items} prefix={inside} depth={depth + 1} />;
        return (
          <div class="instance" role="group" aria-label={say("nth", { label: title, n: n + 1 })} key={n} ref={last}>
            <div class="instance-head">
              <span class="instance-number">{n + 1}</span>
              {hands && (
                <button
                  type="button"
                  // What is below must not move once something is entered.
                  class={`quiet small${isDraft || n > 0 || filled(n) ? "" : " unseen"}`}
                  onClick={() => (isDraft ? setAdding(false) : hands.clear(`${group}[${n}]`))}
                >
                  {say("removeNth", { n: n + 1 })}
                </button>
              )}
            </div>
            {isDraft ? <SheetContext.Provider value={draft}>{part}</SheetContext.Provider> : part}
          </div>
        );
      })}
      {hands && (opened || count === 1) && (
        <button
          type="button"
          class="secondary"
          onClick={() => {
            if (count > 1 || filled(0)) setAdding(true); // else the first one is still free
            setTimeout(() => last.current?.querySelector<HTMLElement>("input, select, textarea")?.focus(), 0);
          }}
        >
          {say("addTo", { label: title })}
        </button>
      )}
    </Group>
  );
}

function hasSomething(sheet: Sheet, id: string): boolean {
  const document = sheet.shown.documents[id];
  return !isEmpty(valueOf(sheet, id)) || (document !== undefined && document.status !== "missing");
}

// -- one field ---------------------------------------------------------------------------------

function FieldBox({ item: written, id, depth }: { item: Item; id: string; depth: number }) {
  const sheet = useSheet();
  const { shown, hands, pointing, say, language } = sheet;
  const field = shown.fields[id];
  const item = withOptions(written, field?.options);
  const highlighted = shown.highlight === id;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!highlighted || box.current === null) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.current.scrollIntoView({ block: "center", behavior: calm || !hands ? "auto" : "smooth" });
  }, [highlighted]);
  const problem = problemOf(sheet, item, id);
  const errorId = domId(id, "error");
  const helpId = domId(id, "help");
  const hint = item.help.map((one) => one.text(language)).filter(Boolean);
  if (isDated(item)) {
    hint.push(say("format", { format: dateExample(localeOfSheet(sheet)) }));
  } else if (item.entryFormat && !item.text(language).includes(item.entryFormat)) {
    hint.push(say("format", { format: item.entryFormat }));
  }
  const correction = field?.correction;
  const described = [hint.length > 0 && helpId, (problem || correction) && errorId].filter(Boolean).join(" ");
  const label = item.consent ? "" : item.text(language) || say("unnamed");
  const grouped = isGrouped(item) && !isMasked(valueOf(sheet, id));
  const control = {
    item,
    id,
    inputId: domId(id, "input"),
    describedBy: described || undefined,
    invalid: Boolean(problem || correction),
    disabled: hands === null || item.readOnly,
  };
  const help = hint.length > 0 && (
    <div class="hint" id={helpId} dir="auto">
      {hint.map((one) => (
        <p>{one}</p>
      ))}
    </div>
  );
  const name = (
    <>
      {item.prefix && <span class="prefix">{item.prefix} </span>}
      <span dir="auto">{item.rich(language) && label ? <Words item={item} language={language} /> : label}</span>
      {!item.required && answerable(item) && !item.readOnly && <span class="optional"> ({say("optional")})</span>}
    </>
  );
  const body = <Body {...control} />;
  return (
    <div
      ref={box}
      class="field"
      id={domId(id)}
      data-field={id}
      data-kind={item.type}
      data-highlight={highlighted || undefined}
      data-selected={pointing?.selected === id || undefined}
      data-here={pointing?.patientFocus === id || undefined}
      data-missing={pointing?.missing.has(id) || undefined}
    >
      {highlighted && <span class="flag" aria-hidden="true">{pointing ? "" : say("pointed")}</span>}
      {pointing?.patientFocus === id && <span class="here">{pointing.labels.here}</span>}
      {isCheckBox(item) ? (
        <>
          {body}
          {help}
        </>
      ) : grouped ? (
        <fieldset aria-describedby={described || undefined}>
          {label && (
            <legend>
              {name}
              {item.required && <span class="visually-hidden"> ({say("required")})</span>}
            </legend>
          )}
          {help}
          {body}
        </fieldset>
      ) : (
        <>
          {label && (labelled(item) ? <label for={control.inputId}>{name}</label> : <p class="label">{name}</p>)}
          {help}
          {body}
        </>
      )}
      {(problem || correction) && (
        <div class="error" id={errorId}>
          {correction && <p>{field.correction_code ? cannedIn(language ?? sheet.flow.language, field.correction_code) : <Asked words={correction} language={field.correction_language} />}</p>}
          {problem && <p>{problem}</p>}
        </div>
      )}
      {item.type !== "group" && item.items.length > 0 && (
        <div class="below">
          <Items items={item.items} prefix={id.slice(0, id.length - item.linkId.length)} depth={depth} />
        </div>
      )}
      {pointing && (
        <button
          type="button"
          class="point"
          aria-pressed={highlighted}
          aria-label={`${pointing.labels.point}: ${label || item.text(language).slice(0, 60)}`}
          onClick={() => pointing.point(id)}
        />
      )}
    </div>
  );
}

/** What staff ask for in their own words, and in their language. */
function Asked({ words, language: written }: { words: string; language: string | null | undefined }) {
  const { language, say } = useSheet();
  if (words === LAPSED) return <>{sentenceIn(language, LAPSED)}</>;
  return (
    <>
      {say("correction", { message: "" })}
      <q lang={written ?? undefined} dir="auto">{words}</q>
    </>
  );
}

const isChoice = (item: Item) => item.type === "choice" || item.type === "open-choice";
const optioned = (item: Item) => item.options !== null;
const isCheckBox = (item: Item) => item.type === "boolean" && !item.required && !item.consent;

function answerable(item: Item): boolean {
  return !item.signature && item.type !== "group" && item.type !== "display";
}

/** Whether the control is several, which a legend names. */
function isGrouped(item: Item): boolean {
  if (item.type === "boolean" || isDated(item)) return true;
  if (isChoice(item) || optioned(item)) return ["radio", "check"].includes(choiceStyle(item));
  return item.repeats && answerable(item) && item.type !== "attachment";
}

const labelled = (item: Item) => item.type !== "attachment" && answerable(item);

function Body(props: Control) {
  const sheet = useSheet();
  const { item, id } = props;
  const value = valueOf(sheet, id);
  const onValue = (next: unknown, how: How) => sheet.hands?.enter(id, next, how);
  if (item.signature) return <SignatureState id={id} />;
  if (item.type === "attachment") return <Document item={item} id={id} inputId={props.inputId} />;
  const reading = item.consent ? <Reading item={item} id={id} /> : null;
  if (item.type === "display" || item.type === "group") return reading;
  const scalar = { ...props, value, typed: sheet.hands?.typed(id), onValue };
  return (
    <>
      {reading}
      {item.type === "boolean" ? (
        isCheckBox(item) ? <CheckBox {...scalar} /> : <YesNo {...scalar} />
      ) : isChoice(item) || optioned(item) ? (
        <Choice {...scalar} />
      ) : item.repeats ? (
        <Several {...scalar} />
      ) : (
        <Scalar {...scalar} />
      )}
    </>
  );
}

function CheckBox({ item, inputId, describedBy, disabled, value, onValue }: ScalarProps) {
  const sheet = useSheet();
  const { language, say } = sheet;
  return (
    <label class="choice">
      <input
        type="checkbox"
        id={inputId}
        aria-describedby={describedBy}
        checked={value === true}
        {...off(disabled, sheet)}
        onChange={({ currentTarget }) => onValue(currentTarget.checked, { typed: false })}
      />
      <span>
        {item.prefix && <span class="prefix">{item.prefix} </span>}
        <span dir="auto">{item.text(language) || say("unnamed")}</span>
      </span>
    </label>
  );
}
