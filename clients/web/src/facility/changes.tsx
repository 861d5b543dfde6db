// What was changed in a field: earlier values, on which screen and when.
import { useEffect, useState } from "preact/hooks";
import type { FieldChange } from "../../generated/wire.ts";
import { asText } from "../fields/said.ts";
import { isMasked } from "../fields/sheet.ts";
import { type Item, isEmpty, listOf } from "../lib/flow.ts";
import * as app from "./app.ts";
import { exactly, language, t } from "./messages.ts";
import { Action } from "./parts.tsx";

/** Asked for only when staff want it: the box notes that it was seen. */
export function Changes({ room, item, id }: { room: app.Room; item: Item; id: string }) {
  const [changes, setChanges] = useState<FieldChange[] | null>(null);
  useEffect(() => setChanges(null), [id]);
  if (changes === null) {
    return <Action small label={t("changes.button")} kind="quiet" run={() => app.fieldHistory(room, id).then(setChanges)} />;
  }
  if (changes.length === 0) return <p class="hint">{t("changes.none")}</p>;
  return (
    <ol class="changes" aria-label={t("changes.of", { field: item.text(language.value).slice(0, 80) })}>
      {changes.map((one) => (
        <li key={one.revision}>
          <time dateTime={one.at}>{exactly(one.at)}</time> {one.device && app.nameOf(one.device)}:{" "}
          <span dir="auto">{shown(one.before)}</span> → <span dir="auto">{shown(one.after)}</span>
        </li>
      ))}
    </ol>
  );
}

function shown(value: unknown): string {
  if (isMasked(value)) return t("hidden", { n: value.length });
  if (isEmpty(value)) return t("empty");
  return listOf(value).map(asText).join(", ");
}
