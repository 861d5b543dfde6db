// Answers that are picked: radio buttons, check boxes, drop-down, or typed with suggestions.
import { useState } from "preact/hooks";
import { isEmpty, listOf, type Option, picks } from "../lib/flow.ts";
import { QUIET, type ScalarProps } from "./control.tsx";
import { Scalar } from "./scalars.tsx";
import { isMasked, off, useSheet } from "./sheet.ts";

/** Up to so many are read at a glance; more are better behind a drop-down. */
const FEW = 6;

export type ChoiceStyle = "radio" | "check" | "list" | "suggest" | "free";

export function choiceStyle(item: ScalarProps["item"]): ChoiceStyle {
  const options = item.options;
  if (options === null) return "free";
  if (item.repeats) return "check";
  switch (item.control) {
    case "radio-button":
    case "check-box":
    case "list":
      return "radio";
    case "drop-down":
      return item.open ? "suggest" : "list";
    case "autocomplete":
    case "lookup":
      return "suggest";
    default:
      if (options.length <= FEW) return "radio";
      return item.open ? "suggest" : "list";
  }
}

export function Choice(props: ScalarProps) {
  const { say } = useSheet();
  if (isMasked(props.value)) return <Scalar {...props} />;
  if (props.item.options?.length === 0 && !props.item.open) return <p class="hint">{say("noOptions")}</p>;
  switch (choiceStyle(props.item)) {
    case "radio":
      return <Radios {...props} />;
    case "check":
      return <Checks {...props} />;
    case "list":
      return <Select {...props} />;
    case "suggest":
      return <Suggest {...props} />;
    default:
      return <Scalar {...props} />;
  }
}

function useLabels(props: ScalarProps) {
  const { language } = useSheet();
  const options = props.item.options ?? [];
  const label = (option: Option) => `${option.prefix ? `${option.prefix} ` : ""}${option.label(language)}`;
  return { options, label };
}

const pick = { typed: false };

function Radios(props: ScalarProps) {
  const frozen = off(props.disabled, useSheet());
  const { say } = useSheet();
  const { options, label } = useLabels(props);
  const { item, value, inputId, disabled, onValue } = props;
  const chosen = options.findIndex((option) => picks(option, value));
  const isOther = chosen < 0 && !isEmpty(value);
  const [opening, setOpening] = useState(false);
  const other = item.open && (isOther || opening);
  return (
    <div class="choices" data-horizontal={item.horizontal || undefined}>
      {options.map((option, index) => (
        <label class="choice">
          <input
            type="radio"
            id={index === 0 ? inputId : undefined}
            name={inputId}
            checked={index === chosen && !other}
            {...frozen}
            onChange={() => {
              setOpening(false);
              onValue(option.value, pick);
            }}
          />
          <span>{label(option)}</span>
        </label>
      ))}
      {item.open && (
        <label class="choice">
          <input
            type="radio"
            name={inputId}
            checked={other}
            {...frozen}
            onChange={() => {
              setOpening(true);
              onValue(undefined, { ...pick, more: true });
            }}
          />
          <span>{say("other")}</span>
        </label>
      )}
      {other && <OtherText {...props} value={isOther ? value : undefined} />}
      {!item.required && !isEmpty(value) && !disabled && (
        <button type="button" class="quiet small" onClick={() => onValue(undefined, pick)}>
          {say("clear")}
        </button>
      )}
    </div>
  );
}

function OtherText(props: ScalarProps) {
  const { say } = useSheet();
  const text = { ...props.item, type: "string" as const };
  return <Scalar {...props} item={text} inputId={`${props.inputId}-other`} label={say("otherText")} />;
}

function Checks(props: ScalarProps) {
  const frozen = off(props.disabled, useSheet());
  const { say, language } = useSheet();
  const { options, label } = useLabels(props);
  const { item, inputId, disabled, onValue } = props;
  const [wanted, setWanted] = useState("");
  const values = listOf(props.value);
  const own = values.filter((value) => !options.some((option) => picks(option, value)));
  const give = (next: unknown[], typed = false) => onValue(next.length > 0 ? next : undefined, { typed, more: true });
  const toggle = (option: Option, on: boolean) => {
    const rest = values.filter((value) => !picks(option, value));
    const alone = options.filter((one) => one.exclusive);
    const beside = option.exclusive ? [] : rest.filter((value) => !alone.some((one) => picks(one, value)));
    give(on ? [...beside, option.value] : rest);
  };
  const searched = options.length > 3 * FEW;
  const fits = (option: Option) =>
    wanted === "" || label(option).toLocaleLowerCase(language ?? "en").includes(wanted.toLocaleLowerCase(language ?? "en"));
  return (
    <div class="choices" data-horizontal={item.horizontal || undefined}>
      {searched && !disabled && (
        <input
          type="search"
          autocomplete="off"
          placeholder={say("type2")}
          aria-label={say("type2")}
          value={wanted}
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
      )}
      <div class={searched ? "choice-scroll" : "choice-list"}>
        {options.map((option, index) => {
          const on = values.some((value) => picks(option, value));
          if (!on && !fits(option)) return null;
          return (
            <label class="choice">
              <input
                type="checkbox"
                id={index === 0 ? inputId : undefined}
                checked={on}
                {...frozen}
                onChange={({ currentTarget }) => toggle(option, currentTarget.checked)}
              />
              <span>{label(option)}</span>
            </label>
          );
        })}
      </div>
      {item.open && (
        <Scalar
          {...props}
          item={{ ...item, type: "string" }}
          inputId={`${inputId}-other`}
          label={say("other")}
          value={own[0]}
          onValue={(text, how) => {
            const listed = values.filter((value) => options.some((option) => picks(option, value)));
            give(text === undefined ? listed : [...listed, text], how.typed);
          }}
        />
      )}
    </div>
  );
}

function Select(props: ScalarProps) {
  const frozen = off(props.disabled, useSheet());
  const { say } = useSheet();
  const { options, label } = useLabels(props);
  const { value, inputId, describedBy, invalid, onValue } = props;
  const chosen = options.findIndex((option) => picks(option, value));
  return (
    <select
      id={inputId}
      aria-describedby={describedBy}
      aria-invalid={invalid || undefined}
      {...frozen}
      autocomplete="off"
      value={chosen < 0 ? "" : String(chosen)}
      onChange={({ currentTarget }) => {
        const option = options[Number(currentTarget.value)];
        onValue(currentTarget.value === "" ? undefined : option?.value, pick);
      }}
    >
      <option value="">{say("choose")}</option>
      {options.map((option, index) => (
        <option value={String(index)}>{label(option)}</option>
      ))}
    </select>
  );
}

/** A text with suggestions; one that fits an option picks it. */
function Suggest(props: ScalarProps) {
  const frozen = off(props.disabled, useSheet());
  const { say } = useSheet();
  const { options, label } = useLabels(props);
  const { item, value, inputId, describedBy, invalid, onValue } = props;
  const chosen = options.find((option) => picks(option, value));
  const shown = chosen ? label(chosen) : typeof value === "string" ? value : "";
  const [typing, setTyping] = useState<string | null>(null);
  const listId = `${inputId}-list`;
  return (
    <>
      <input
        id={inputId}
        type="text"
        dir="auto"
        list={listId}
        {...QUIET}
        placeholder={say("type2")}
        aria-describedby={describedBy}
        aria-invalid={invalid || undefined}
        {...frozen}
        value={typing ?? props.typed ?? shown}
        onBlur={() => chosen !== undefined && setTyping(null)}
        onInput={({ currentTarget }) => {
          const text = currentTarget.value;
          setTyping(text);
          const plain = text.trim().toLocaleLowerCase();
          const match = options.find((option) => label(option).toLocaleLowerCase() === plain);
          if (plain === "") onValue(undefined, { typed: true });
          else if (match) onValue(match.value, { typed: true });
          else if (item.open) onValue(text, { typed: true });
          else onValue(undefined, { typed: true, problem: say("notListed"), text });
        }}
      />
      <datalist id={listId}>
        {options.map((option) => (
          <option value={label(option)} />
        ))}
      </datalist>
    </>
  );
}

/** A yes or no: two buttons where an answer is needed, a check box where it is a mere remark. */
export function YesNo(props: ScalarProps) {
  const frozen = off(props.disabled, useSheet());
  const { say } = useSheet();
  const { value, inputId, disabled, onValue } = props;
  return (
    <div class="choices" data-horizontal>
      {[true, false].map((answer, index) => (
        <label class="choice">
          <input
            type="radio"
            id={index === 0 ? inputId : undefined}
            name={inputId}
            checked={value === answer}
            {...frozen}
            onChange={() => onValue(answer, pick)}
          />
          <span>{say(answer ? "yes" : "no")}</span>
        </label>
      ))}
      {!props.item.required && typeof value === "boolean" && !disabled && (
        <button type="button" class="quiet small" onClick={() => onValue(undefined, pick)}>
          {say("clear")}
        </button>
      )}
    </div>
  );
}
