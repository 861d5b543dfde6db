// Answers of one value, each with its native control.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Item } from "../lib/flow.ts";
import { type ScalarProps, useCommon } from "./control.tsx";
import { DateInput, DateTimeInput, TimeInput } from "./moments.tsx";
import { NumberInput, Quantity } from "./numeric.tsx";
import { asText } from "./said.ts";
import { isMasked, useSheet } from "./sheet.ts";

export function Scalar(props: ScalarProps) {
  if (isMasked(props.value)) return <Hidden {...props} length={props.value.length} />;
  switch (props.item.type) {
    case "text":
      return <LongText {...props} />;
    case "integer":
    case "decimal":
      return <NumberInput {...props} />;
    case "quantity":
      return <Quantity {...props} />;
    case "date":
      return <DateInput {...props} />;
    case "dateTime":
      return <DateTimeInput {...props} />;
    case "time":
      return <TimeInput {...props} />;
    default:
      return <Text {...props} />;
  }
}

function Hidden({ length, ...props }: ScalarProps & { length: number }) {
  const { say } = useSheet();
  return (
    <div class="masked">
      <input {...useCommon(props)} type="text" value={"•".repeat(Math.min(length, 24))} readOnly />
      <span class="visually-hidden">{say("masked", { n: length })}</span>
    </div>
  );
}

/** A text stays as it is typed while the hand is on it, whatever comes back from the box. */
function useText(shown: string) {
  const [text, setText] = useState(shown);
  const focused = useRef(false);
  const display = focused.current ? text : shown;
  return {
    display,
    setText,
    onFocus: () => {
      setText(display);
      focused.current = true;
    },
    onBlur: () => {
      focused.current = false;
    },
  };
}

/** The keyboard that fits a pattern: digits and their separators alone, or an e-mail address. */
function inputMode(item: Item): "numeric" | "tel" | "email" | "url" | "text" {
  if (item.type === "url") return "url";
  const example = item.entryFormat ?? "";
  if (/^[0-9-]+$/.test(example)) return "numeric";
  if (/^[+()0-9 .-]+$/.test(example)) return "tel";
  return example.includes("@") ? "email" : "text";
}

function Text(props: ScalarProps) {
  const { display, setText, onFocus, onBlur } = useText(asText(props.value));
  return (
    <input
      {...useCommon(props)}
      type="text"
      dir="auto"
      inputMode={inputMode(props.item)}
      autocapitalize={/^(email|url)$/.test(inputMode(props.item)) ? "none" : "sentences"}
      value={display}
      onFocus={onFocus}
      onBlur={onBlur}
      onInput={({ currentTarget: { value } }) => {
        setText(value);
        props.onValue(value === "" ? undefined : value, { typed: true });
      }}
    />
  );
}

function LongText(props: ScalarProps) {
  const { display, setText, onFocus, onBlur } = useText(asText(props.value));
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const area = box.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, 400)}px`;
  }, [display]);
  return (
    <textarea
      {...useCommon(props)}
      ref={box}
      dir="auto"
      rows={3}
      value={display}
      onFocus={onFocus}
      onBlur={onBlur}
      onInput={({ currentTarget: { value } }) => {
        setText(value);
        props.onValue(value === "" ? undefined : value, { typed: true });
      }}
    />
  );
}
