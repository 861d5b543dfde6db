// A supervisor ends a check-in that another screen leads, or that nobody leads any more.
import { useState } from "preact/hooks";
import type { LobbyLine } from "../../generated/wire.ts";
import * as app from "./app.ts";
import * as desk from "./desk.ts";
import { t } from "./messages.ts";
import { ReasonDialog } from "./parts.tsx";

export function Stranded({ line }: { line: LobbyLine }) {
  const [asking, setAsking] = useState(false);
  const open = ["waiting", "active", "paused"].includes(line.status);
  if (!desk.isSupervisor.value || !open || line.host === app.me()) return null;
  return (
    <>
      <button type="button" class="quiet small end" aria-label={t("end.button_for", { label: line.label ?? t("no_label") })} onClick={() => setAsking(true)}>
        {t("end.button")}
      </button>
      {asking && <EndDialog session={line.session} onClose={() => setAsking(false)} />}
    </>
  );
}

export function EndDialog({ session, onClose }: { session: string; onClose: () => void }) {
  return (
    <ReasonDialog
      title={t("end.title")}
      ask={t("cancel.why")}
      confirm={t("end.confirm")}
      danger
      onClose={onClose}
      run={(reason) => app.cancelSession(session, reason)}
    />
  );
}
