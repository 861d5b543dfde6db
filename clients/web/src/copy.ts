// The page that the link to a copy opens, on the patient's own phone: one button.
import { copyWords } from "./copy-words.ts";
import { copySaver } from "./lib/copy.ts";

const say = copyWords(navigator.language);
const element = (id: string) => document.getElementById(id) as HTMLElement;
const write = (id: string, text: string) => void (element(id).textContent = text);

const save = copySaver(() => Promise.resolve(location.hash.slice(1)));
const button = element("save") as HTMLButtonElement;

async function run(): Promise<void> {
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  write("said", say("making"));
  const outcome = await save();
  write("said", say(outcome));
  button.ariaDisabled = null;
  if (outcome === "saved") write("save", say("again"));
  // What works no more need not stay in the history of the phone.
  if (outcome === "saved" || outcome === "over") history.replaceState(null, "", location.pathname);
  button.hidden = outcome === "over";
}

document.documentElement.lang = say("tag");
document.title = say("title");
write("title", say("title"));
write("lead", say("saveHere"));
write("save", say("save"));
button.addEventListener("click", () => void run());
element("page").hidden = false;
