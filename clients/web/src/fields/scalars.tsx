// Answers of one value, each with its native control.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Coding, Item } from "../lib/flow";
import { type Control, isMasked, off, useSheet } from "./sheet";

export interface ScalarProps extends Control {
  value: unknown;
  label?: string | undefined;
  onValue: (value: unknown, how: { typed: boolean; problem?: string }) => void;
}

const QUIET = {
  autocomplete: "off",
  autocorrect: "off",
  spellcheck: false,
  "data-1p-ignore": "",
  "data-lpignore": "true",
} as const;

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
      return <Moment {...props} kind="date" />;
    case "dateTime":
      return <Moment {...props} kind="datetime-local" />;
    case "time":
      return <Moment {...props} kind="time" />;
    default:
      return <Text {...props} />;
  }
}

function useCommon({ inputId, describedBy, invalid, disabled, label }: ScalarProps) {
  const sheet = useSheet();
  return {
    id: inputId,
    "aria-describedby": describedBy,
    "aria-invalid": invalid || undefined,
    "aria-label": label,
    ...off(disabled, sheet),
    ...QUIET,
  };
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
function useText(shown: string, keep: boolean) {
  const [text, setText] = useState(shown);
  const focused = useRef(false);
  const display = focused.current || keep ? text : shown;
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

const asText = (value: unknown): string => {
  if (value === undefined || value === null) return "";
  if (typeof value !== "object") return String(value);
  const { display, reference, code } = value as Record<string, unknown>;
  return String(display ?? reference ?? code ?? "");
};

/** The keyboard that fits a pattern: digits and their separators alone, or an e-mail address. */
function inputMode(item: Item): "numeric" | "tel" | "email" | "url" | "text" {
  if (item.type === "url") return "url";
  const example = item.entryFormat ?? "";
  if (/^[0-9-]+$/.test(example)) return "numeric";
  if (/^[+()0-9 .-]+$/.test(example)) return "tel";
  return example.includes("@") ? "email" : "text";
}

function Text(props: ScalarProps) {
  const { display, setText, onFocus, onBlur } = useText(asText(props.value), false);
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
  const { display, setText, onFocus, onBlur } = useText(asText(props.value), false);
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

/** Reads `1,5` as well as `1.5`; null where it is no number. */
export function readNumber(text: string): number | null {
  const plain = text.replace(/[\s\u00a0']/g, "").replace(",", ".");
  return /^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(plain) ? Number(plain) : null;
}

function NumberInput(props: ScalarProps & { whole?: boolean }) {
  const { say } = useSheet();
  const [bad, setBad] = useState(false);
  const { display, setText, onFocus, onBlur } = useText(asText(props.value), bad);
  const whole = props.item.type === "integer";
  const unit = props.item.unit?.display ?? props.item.unit?.code;
  return (
    <span class="with-unit">
      <input
        {...useCommon(props)}
        class="short"
        type="text"
        inputMode={whole ? "numeric" : "decimal"}
        value={display}
        onFocus={onFocus}
        onBlur={onBlur}
        onInput={({ currentTarget: { value } }) => {
          setText(value);
          const number = readNumber(value);
          const wrong = number === null ? "notANumber" : whole && !Number.isInteger(number) ? "notWhole" : null;
          setBad(value.trim() !== "" && wrong !== null);
          if (value.trim() === "") props.onValue(undefined, { typed: true });
          else if (wrong) props.onValue(undefined, { typed: true, problem: say(wrong) });
          else props.onValue(number, { typed: true });
        }}
      />
      {unit && <span class="unit">{unit}</span>}
    </span>
  );
}

function Quantity(props: ScalarProps) {
  const sheet = useSheet();
  const { say } = sheet;
  const { item, value } = props;
  const held = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : { value };
  const units = item.unitOptions.length > 0 ? item.unitOptions : item.unit ? [item.unit] : [];
  const chosen = units.findIndex((unit) => unit.code === held.code || unit.display === held.unit);
  const [picked, setPicked] = useState(0);
  const current = units[chosen >= 0 ? chosen : picked];
  const enter = (number: unknown, unit: Coding | undefined, how: { typed: boolean; problem?: string }) =>
    props.onValue(typeof number === "number" ? quantityOf(number, unit) : undefined, how);
  return (
    <span class="with-unit">
      <NumberInput
        {...props}
        item={{ ...item, type: "decimal", unit: units.length > 1 ? null : (units[0] ?? null) }}
        value={held.value}
        onValue={(number, how) => enter(number, current, how)}
      />
      {units.length > 1 && (
        <select
          class="short"
          aria-label={say("unit")}
          {...off(props.disabled, sheet)}
          value={String(chosen >= 0 ? chosen : picked)}
          onChange={({ currentTarget: { value: index } }) => {
            setPicked(Number(index));
            if (typeof held.value === "number") enter(held.value, units[Number(index)], { typed: false });
          }}
        >
          {units.map((unit, index) => (
            <option value={String(index)}>{unit.display ?? unit.code}</option>
          ))}
        </select>
      )}
    </span>
  );
}

function quantityOf(value: number, unit: Coding | undefined) {
  if (unit === undefined) return { value };
  return JSON.parse(
    JSON.stringify({ value, unit: unit.display ?? unit.code, system: unit.system, code: unit.code }),
  );
}

type Momentary = "date" | "datetime-local" | "time";

function toInput(kind: Momentary, value: unknown): string {
  if (typeof value !== "string") return "";
  if (kind === "time") return value.slice(0, 5);
  if (kind === "date") return value;
  const at = new Date(value);
  if (value.length <= 10 || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function fromInput(kind: Momentary, text: string): unknown {
  if (text === "") return undefined;
  if (kind === "time") return text.length === 5 ? `${text}:00` : text;
  if (kind === "date") return text;
  const minutes = -new Date(text).getTimezoneOffset();
  const sign = minutes < 0 ? "-" : "+";
  const two = (number: number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  return `${text.slice(0, 16)}:00${sign}${two(minutes / 60)}:${two(minutes % 60)}`;
}

function Moment(props: ScalarProps & { kind: Momentary }) {
  const { kind, item } = props;
  const bound = (value: unknown) => (typeof value === "string" ? toInput(kind, value) || undefined : undefined);
  const ref = useRef<HTMLInputElement>(null);
  const shown = toInput(kind, props.value);
  // A half-typed date has no value: writing one back would empty it under the hand.
  useEffect(() => {
    const input = ref.current;
    if (input && document.activeElement !== input && input.value !== shown) input.value = shown;
  }, [shown]);
  const set = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    if (currentTarget.value === "" && currentTarget.validity.badInput) return;
    props.onValue(fromInput(kind, currentTarget.value), { typed: true });
  };
  return (
    <input
      {...useCommon(props)}
      ref={ref}
      class="short"
      type={kind}
      defaultValue={shown}
      min={bound(item.minValue)}
      max={bound(item.maxValue) ?? (kind === "date" ? "9999-12-31" : undefined)}
      onInput={set}
    />
  );
}
