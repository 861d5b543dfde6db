// Moving a check-in to another of the patient's screens.
import { useEffect } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import * as app from "./app.ts";
import { t } from "./messages.ts";
import { Action, Dialog } from "./parts.tsx";

export function ChangeDevice({ room, view, onClose }: { room: app.Room; view: FacilityView; onClose: () => void }) {
  useEffect(() => void app.refresh(), []);
  const kiosks = app.kiosks.value.filter((one) => !(one.device in view.participants));
  const move = (device: string | null) => () => app.command(room, { type: "REPLACE_PATIENT_DEVICE", device }).then(onClose);
  return (
    <Dialog title={t("change.title")} onClose={onClose}>
      <div class="stack">
        <p>{t("change.hint")}</p>
        <Action label={t("change.code")} kind="primary" run={move(null)} />
        {kiosks.map((one) => (
          <Action
            key={one.device}
            label={t("change.to", { screen: app.nameAndRoom(one) })}
            reason={one.session ? t("change.taken") : one.online ? null : t("change.not_connected")}
            run={move(one.device)}
          />
        ))}
      </div>
    </Dialog>
  );
}
