// A new check-in: which form, for whom, on which screen.
import { useEffect, useState } from "preact/hooks";
import * as app from "./app.ts";
import { language, t } from "./messages.ts";
import { Action, Dialog } from "./parts.tsx";

interface Props {
  /** The tablet that is chosen already. */
  device?: string | null;
  /** The form that is chosen already. */
  flow?: string | null;
  onClose: () => void;
}

export function NewSession({ device, flow, onClose }: Props) {
  const flows = app.flows.value;
  const [flowId, setFlowId] = useState("");
  const [label, setLabel] = useState("");
  const [where, setWhere] = useState(device ?? "");
  useEffect(() => void app.refresh(), []);
  const kiosks = app.kiosks.value;
  const first = flows.find((one) => one.flow_ref === flow) ?? flows.find((one) => one.flow_id === "pre-registration") ?? flows[0];
  const chosen = flowId || first?.flow_id || "";
  const open = () => app.open({ flow_id: chosen, label: label.trim() || null, patient_device: where || null }).then(onClose);
  return (
    <Dialog title={t("new.title")} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          (event.currentTarget.querySelector(".action button") as HTMLButtonElement).click();
        }}
      >
        <div class="field">
          <label for="new-flow">{t("new.form")}</label>
          <select id="new-flow" value={chosen} onChange={({ currentTarget }) => setFlowId(currentTarget.value)}>
            {flows.map((one) => (
              <option value={one.flow_id}>{one.titles?.[language.value] ?? one.title}</option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="new-label">
            {t("new.label")} <span class="optional">{t("optional")}</span>
          </label>
          <p class="hint" id="new-label-hint">{t("new.label_hint")}</p>
          <input
            id="new-label"
            aria-describedby="new-label-hint"
            type="text"
            dir="auto"
            autocomplete="off"
            maxLength={120}
            value={label}
            onInput={({ currentTarget }) => setLabel(currentTarget.value)}
          />
        </div>
        <fieldset class="field">
          <legend>{t("new.screen")}</legend>
          <label class="choice">
            <input type="radio" name="where" checked={where === ""} onChange={() => setWhere("")} />
            <span>{t("new.by_code")}</span>
          </label>
          {kiosks.map((one) => (
            <label class="choice" key={one.device}>
              <input
                type="radio"
                name="where"
                disabled={one.session !== null}
                checked={where === one.device}
                onChange={() => setWhere(one.device)}
              />
              <span>
                {app.nameAndRoom(one)}{" "}
                <span class="optional">{one.session ? t("new.taken") : one.online ? "" : t("new.not_connected")}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <Action label={t("new.start")} kind="primary" run={open} reason={flows.length === 0 ? t("new.no_form") : null} />
      </form>
    </Dialog>
  );
}
