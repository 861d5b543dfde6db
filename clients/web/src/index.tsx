// The way in: which of the two screens is this?
import { render } from "preact";
import { present } from "./lib/present.ts";
import { deviceStorage } from "./lib/storage.ts";
import { Mark } from "./mark.tsx";

function Page() {
  return (
    <main class="calm landing">
      <Mark />
      <h1>Handrail</h1>
      <p class="lead">Which screen is this?</p>
      <div class="doors">
        <a class="door" href="/patient">
          <strong>The patient's screen</strong>
          <span lang="es">La pantalla del paciente</span>
        </a>
        <a class="door" href="/facility">
          <strong>The front desk's screen</strong>
          <span lang="es">La pantalla del personal</span>
        </a>
      </div>
    </main>
  );
}

// A kiosk that starts with the box's bare address goes where it was enrolled.
if (deviceStorage.enrolled("patient")) location.replace("/patient");
else if (deviceStorage.enrolled("facility")) location.replace("/facility");
else render(<Page />, present(document.getElementById("app")));
