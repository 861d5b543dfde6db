// A question that takes several answers of its kind, each in a row of its own.
import { useState } from "preact/hooks";
import { isEmpty, listOf } from "../lib/flow.ts";
import type { ScalarProps } from "./control.tsx";
import { Scalar } from "./scalars.tsx";
import { type How, useSheet } from "./sheet.ts";

/** What was typed in a row and is no value of the question's kind. */
interface Wrong {
  text: string;
  problem: string;
}

type Row = { value: unknown } | { wrong: Wrong };

const BLANK: Row = { value: undefined };

export function Several(props: ScalarProps) {
  const { say, language } = useSheet();
  const { rows, add, change, remove } = useRows(props);
  const single = { ...props.item, repeats: false };
  const label = props.item.text(language);
  return (
    <div class="several">
      {rows.map((row, n) => (
        <div class="several-row" key={n}>
          <Scalar
            {...props}
            item={single}
            inputId={n === 0 ? props.inputId : `${props.inputId}-${n}`}
            label={say("nth", { label, n: n + 1 })}
            value={valueOf(row)}
            typed={"wrong" in row ? row.wrong.text : undefined}
            onValue={(next, how) => change(n, next, how)}
          />
          {!props.disabled && rows.length > 1 && (
            <button type="button" class="quiet small" aria-label={say("removeNth", { n: n + 1 })} onClick={() => remove(n)}>
              ✕
            </button>
          )}
        </div>
      ))}
      {!props.disabled && isFilled(rows.at(-1) ?? BLANK) && (
        <button type="button" class="secondary small" onClick={add}>
          {say("add")}
        </button>
      )}
    </div>
  );
}

const valueOf = (row: Row) => ("value" in row ? row.value : undefined);
const isFilled = (row: Row) => "wrong" in row || !isEmpty(row.value);

/** The rows: the answers, what was typed between them, and a blank one to type in. */
function useRows({ id, value, typed, onValue }: ScalarProps) {
  const { hands } = useSheet();
  const held = listOf(value);
  const [wrong, setWrong] = useState<ReadonlyMap<number, Wrong>>(
    () => new Map(typed === undefined ? [] : [[held.length, { text: typed, problem: hands?.problem(id) ?? "" }]]),
  );
  const [adding, setAdding] = useState(false);
  const filled = woven(held, wrong);
  const rows = adding || filled.length === 0 ? [...filled, BLANK] : filled;
  const give = (next: Row[], how: How) => {
    const kept = next.filter(isFilled);
    const values = kept.flatMap((row) => ("value" in row ? [row.value] : []));
    const all = kept.flatMap((row) => ("wrong" in row ? [row.wrong] : []));
    setWrong(new Map(kept.flatMap((row, n): [number, Wrong][] => ("wrong" in row ? [[n, row.wrong]] : []))));
    const [first] = all;
    onValue(values.length > 0 ? values : undefined, {
      typed: how.typed,
      more: true,
      ...(first && { problem: first.problem, text: all.map(({ text }) => text).join(", ") }),
    });
  };
  const change = (n: number, next: unknown, how: How) => {
    const { text, problem = "" } = how;
    const row: Row = text === undefined ? { value: next } : { wrong: { text, problem } };
    if (n >= filled.length && isFilled(row)) setAdding(false);
    give(rows.map((one, m) => (m === n ? row : one)), how);
  };
  const remove = (n: number) => {
    if (n >= filled.length) setAdding(false);
    else give(rows.filter((_, m) => m !== n), { typed: false, more: true });
  };
  return { rows, change, remove, add: () => setAdding(true) };
}

/** The answers in their order, with what is wrong in its places between them. */
function woven(values: unknown[], wrong: ReadonlyMap<number, Wrong>): Row[] {
  const [left, apart] = [[...values], [...wrong]];
  return Array.from({ length: values.length + wrong.size }, (_, n) => {
    const next = apart[0];
    if (next === undefined || (next[0] !== n && left.length > 0)) return { value: left.shift() };
    apart.shift();
    return { wrong: next[1] };
  });
}
