// The code that brings a patient's screen in.
import type { FacilityView } from "../../generated/wire.ts";
import * as app from "./app.ts";
import { t } from "./messages.ts";
import { QrCode } from "../qr-code.tsx";
import { Action, useNow } from "./parts.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
}

/** The code; or, once it has expired and nobody came, how to make a new one. */
export function CodePanel({ room, view }: Props) {
  if (view.code) return <Code view={view} />;
  return (
    <section class="code-panel" aria-labelledby="code-title">
      <div>
        <h2 id="code-title">{t("code.title")}</h2>
        <p>{t("code.expired")}</p>
        <Action
          label={t("change.code")}
          reason={view.blocked?.["REPLACE_PATIENT_DEVICE"]}
          run={() => app.command(room, { type: "REPLACE_PATIENT_DEVICE", device: null })}
        />
      </div>
    </section>
  );
}

function Code({ view }: Pick<Props, "view">) {
  const now = useNow(1_000);
  const link = `${location.origin}/patient#code=${view.code}`;
  const left = view.code_expires_at ? Math.max(0, Math.round((Date.parse(view.code_expires_at) - now) / 1000)) : null;
  const local = /^(localhost|127\.|\[::1\])/.test(location.hostname);
  return (
    <section class="code-panel" aria-labelledby="code-title">
      <QrCode text={link} label={t("code.qr")} />
      <div>
        <h2 id="code-title">{t("code.title")}</h2>
        <p>{t("code.how", { place: `${location.host}/patient` })}</p>
        <p class="big-code">{view.code}</p>
        {left !== null && (
          <p class="hint">{t("code.left", { time: `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` })}</p>
        )}
        {local && <p class="hint">{t("code.local")}</p>}
      </div>
    </section>
  );
}
