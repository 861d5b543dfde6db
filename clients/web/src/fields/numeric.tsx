// Numbers, alone and with a unit.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { type Coding, type Unit, unitName } from "../lib/flow.ts";
import { joinIds, type ScalarProps, useCommon, useSaidBack } from "./control.tsx";
import { numberInWords, numberSaid, readNumber, writeNumber } from "./numbers.ts";
import { asText, quantityIn, unitOf, unitsOf } from "./said.ts";
import { type How, localeOfSheet, off, useSheet } from "./sheet.ts";

/** A number while it is typed, and as the form's language writes it. */
function useNumber(props: ScalarProps, held: unknown) {
  const sheet = useSheet();
  const locale = localeOfSheet(sheet);
  const whole = props.item.type === "integer";
  const written = typeof held === "number" ? writeNumber(held, locale) : asText(held);
  const [text, setText] = useState(written);
  const focused = useRef(false);
  const mine = readNumber(text, locale, whole);
  // What was typed stays as it is while it is this number.
  const keep = focused.current || ("number" in mine && mine.number === held);
  const display = props.typed ?? (keep ? text : written);
  return {
    display,
    written,
    onFocus: () => {
      setText(display);
      focused.current = true;
    },
    onBlur: () => {
      focused.current = false;
    },
    onInput: ({ currentTarget: { value } }: { currentTarget: HTMLInputElement }) => {
      setText(value);
      const read = readNumber(value, locale, whole);
      if ("number" in read) props.onValue(read.number, { typed: true });
      else props.onValue(undefined, { typed: true, problem: sheet.say(read.word, read.parts), text: value });
    },
  };
}

type NumberBoxProps = ScalarProps & { held: unknown; unit: string; children?: ComponentChildren };

/** A number with its unit, and below it how the number was read. */
function NumberBox({ held, unit, children, ...props }: NumberBoxProps) {
  const locale = localeOfSheet(useSheet());
  const { display, written, ...hand } = useNumber(props, held);
  const other = typeof held === "number" && display !== written ? numberInWords(held, unit, locale) : "";
  const { backId, back } = useSaidBack(props, numberSaid(held, unit, locale) || other);
  return (
    <>
      <span class="with-unit">
        <input
          {...useCommon(props)}
          aria-describedby={joinIds(props.describedBy, backId)}
          class="short"
          type="text"
          inputMode={props.item.type === "integer" ? "numeric" : "decimal"}
          value={display}
          {...hand}
        />
        {children || (unit && <span class="unit">{unit}</span>)}
      </span>
      {back}
    </>
  );
}

export function NumberInput(props: ScalarProps) {
  const { language } = useSheet();
  return <NumberBox {...props} held={props.value} unit={unitName(props.item.unit, language)} />;
}

export function Quantity(props: ScalarProps) {
  const sheet = useSheet();
  const { say, language } = sheet;
  const held = quantityIn(props.value);
  const units = unitsOf(props.item);
  const chosen = unitOf(props.item, props.value);
  const [picked, setPicked] = useState(0);
  const at = chosen ? units.indexOf(chosen) : picked;
  const enter = (number: unknown, unit: Unit | undefined, how: How) =>
    props.onValue(typeof number === "number" ? quantityOf(number, unit?.coding) : undefined, how);
  return (
    <NumberBox
      {...props}
      held={held.value}
      unit={unitName(units[at], language)}
      onValue={(number, how) => enter(number, units[at], how)}
    >
      {units.length > 1 && (
        <select
          class="short"
          aria-label={say("unit")}
          {...off(props.disabled, sheet)}
          value={String(at)}
          onChange={({ currentTarget: { value: index } }) => {
            setPicked(Number(index));
            if (typeof held.value === "number") enter(held.value, units[Number(index)], { typed: false });
          }}
        >
          {units.map((unit, index) => (
            <option value={String(index)}>{unitName(unit, language)}</option>
          ))}
        </select>
      )}
    </NumberBox>
  );
}

function quantityOf(value: number, unit: Coding | undefined) {
  const name = unit?.display ?? unit?.code;
  return {
    value,
    ...(name !== undefined && { unit: name }),
    ...(unit?.system !== undefined && { system: unit.system }),
    ...(unit?.code !== undefined && { code: unit.code }),
  };
}
