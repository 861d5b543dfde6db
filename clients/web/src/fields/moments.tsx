// Dates and times. A date is asked in three parts, whose names and order are those of the form's
// language: a browser's own date field is in the browser's language, where day and month may swap.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type ScalarProps, useCommon, useSaidBack } from "./control.tsx";
import {
  type DatePart,
  type DateParts,
  type DateRead,
  joined,
  momentOf,
  orderOf,
  partialBy,
  partsOf,
  readDate,
  readMoment,
} from "./dates.ts";
import { saidBack } from "./said.ts";
import { localeOfSheet, type Sheet, useSheet } from "./sheet.ts";

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/** What was read, or what is wrong with what was typed. */
function give({ onValue }: ScalarProps, { say }: Sheet, read: DateRead, text: string): void {
  if ("date" in read) onValue(read.date, { typed: true });
  else onValue(undefined, { typed: true, problem: say(read.word, read.parts), text });
}

export function DateInput(props: ScalarProps) {
  const sheet = useSheet();
  const shown = props.typed ?? textOf(props.value);
  const [mine, setMine] = useState(partsOf(shown));
  const read = (parts: DateParts) => readDate(parts, partialBy(props.item.pattern), localeOfSheet(sheet));
  // What was typed stays as it is while it is this date: `02` is not made `2`.
  const parts = isShown(shown, joined(mine), read(mine)) ? mine : partsOf(shown);
  const { backId, back } = useSaidBack(props, saidBack(sheet, props.item, props.value));
  const enter = (part: DatePart, text: string) => {
    const next = { ...parts, [part]: text };
    setMine(next);
    give(props, sheet, read(next), joined(next));
  };
  return (
    <>
      <DateBoxes {...props} parts={parts} describedBy={backId} enter={enter} />
      {back}
    </>
  );
}

const isShown = (shown: string, text: string, read: DateRead) =>
  text === shown || ("date" in read && (read.date ?? "") === shown);

export function DateTimeInput(props: ScalarProps) {
  const sheet = useSheet();
  const { say } = sheet;
  const shown = props.typed ?? textOf(props.value);
  const [mine, setMine] = useState(typedMoment(shown));
  const read = ({ parts, time }: TypedMoment) => readMoment(parts, time, partialBy(props.item.pattern), localeOfSheet(sheet));
  const moment = isShown(shown, momentText(mine), read(mine)) ? mine : typedMoment(shown);
  const { backId, back } = useSaidBack(props, saidBack(sheet, props.item, props.value));
  const enter = (next: TypedMoment, isHalf = false) => {
    setMine(next);
    give(props, sheet, isHalf ? { word: "timeParts" } : read(next), momentText(next));
  };
  return (
    <>
      <DateBoxes
        {...props}
        parts={moment.parts}
        describedBy={backId}
        enter={(part, text) => enter({ ...moment, parts: { ...moment.parts, [part]: text } })}
      >
        <span class="date-part">
          <label for={`${props.inputId}-time`}>{say("time")}</label>
          <TimeBox
            {...props}
            inputId={`${props.inputId}-time`}
            describedBy={undefined}
            label={undefined}
            shown={moment.time}
            enter={(time, isHalf) => enter({ ...moment, time }, isHalf)}
          />
        </span>
      </DateBoxes>
      {back}
    </>
  );
}

interface TypedMoment {
  parts: DateParts;
  time: string;
}

function typedMoment(text: string): TypedMoment {
  const { date, time } = momentOf(text);
  return { parts: partsOf(date), time };
}

const momentText = ({ parts, time }: TypedMoment) => joined(parts) + (time && `T${time}`);

type BoxesProps = Omit<ScalarProps, "onValue"> & {
  parts: DateParts;
  enter: (part: DatePart, text: string) => void;
  children?: ComponentChildren;
};

/** The three parts. The question, its help and what is wrong are those of the group around them. */
function DateBoxes({ parts, enter, children, ...props }: BoxesProps) {
  const sheet = useSheet();
  const common = useCommon({ ...props, label: undefined });
  const isOwn = sheet.hands?.personal && props.item.definition?.endsWith("Patient.birthDate");
  return (
    <div class="date-parts" role={props.label ? "group" : undefined} aria-label={props.label}>
      {orderOf(localeOfSheet(sheet)).map((part, n) => {
        const id = n === 0 ? props.inputId : `${props.inputId}-${part}`;
        return (
          <span class="date-part" key={part}>
            <label for={id}>{sheet.say(part)}</label>
            <input
              {...common}
              id={id}
              autocomplete={isOwn ? `bday-${part}` : "off"}
              class={part}
              data-part={part}
              type="text"
              inputMode="numeric"
              value={parts[part]}
              onInput={({ currentTarget }) => enter(part, currentTarget.value)}
            />
          </span>
        );
      })}
      {children}
    </div>
  );
}

export function TimeInput(props: ScalarProps) {
  const { say } = useSheet();
  const enter = (time: string, isHalf: boolean) => {
    if (isHalf) props.onValue(undefined, { typed: true, problem: say("timeParts") });
    else props.onValue(time === "" ? undefined : `${time.slice(0, 5)}:00`, { typed: true });
  };
  return <TimeBox {...props} shown={textOf(props.value).slice(0, 5)} enter={enter} />;
}

type TimeBoxProps = Omit<ScalarProps, "onValue"> & { shown: string; enter: (time: string, isHalf: boolean) => void };

/** The browser's own control: it asks for morning or afternoon wherever its clock has twelve hours. */
function TimeBox({ shown, enter, ...props }: TimeBoxProps) {
  const ref = useRef<HTMLInputElement>(null);
  const half = useRef(false);
  // A half-typed time has no value: writing one back would empty it under the hand.
  useEffect(() => {
    const input = ref.current;
    if (input && document.activeElement !== input && !half.current && input.value !== shown) input.value = shown;
  }, [shown]);
  const tell = ({ currentTarget: { value, validity } }: { currentTarget: HTMLInputElement }) => {
    half.current = validity.badInput;
    enter(value, validity.badInput);
  };
  return (
    <input
      {...useCommon(props)}
      ref={ref}
      class="short"
      type="time"
      defaultValue={shown}
      onInput={tell}
      // Typing a part of a time changes no value, so it is no input.
      onKeyUp={(event) => event.currentTarget.validity.badInput !== half.current && tell(event)}
    />
  );
}
