// The code that brings a patient's screen in.
import type { FacilityView } from "../../generated/wire.ts";
import { t } from "./messages.ts";
import { QrCode } from "../qr-code.tsx";
import { useNow } from "./parts.tsx";

export function CodePanel({ view }: { view: FacilityView }) {
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
          <p class="hint">
            {left > 0 ? t("code.left", { time: `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` }) : t("code.expired")}
          </p>
        )}
        {local && <p class="hint">{t("code.local")}</p>}
      </div>
    </section>
  );
}
