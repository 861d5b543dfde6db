"""What a screen reader is told by a page: a transcript that can be read, line by line.

A listener hears what live regions say, what the focus comes to, and what becomes of what has the
focus. Names, roles and states are those of Chromium's accessibility tree.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

LISTEN = """() => {
  const live = '[role="status"], [role="alert"], [aria-live]:not([aria-live="off"])';
  const told = [], before = new WeakMap();
  let title = document.title;
  window.__told = told;
  window.__at = [];
  const region = of => (of instanceof Element ? of : of.parentElement)?.closest(live);
  new MutationObserver(changes => {
    const changed = new Set();
    for (const { target, addedNodes } of changes) {
      changed.add(region(target));
      for (const one of addedNodes) if (one instanceof Element) {
        if (one.matches(live)) changed.add(one);
        one.querySelectorAll(live).forEach(region => changed.add(region));
      }
    }
    for (const one of changed) {
      if (!one?.isConnected) continue;
      const said = one.textContent;
      if (said.trim() && said !== before.get(one)) told.push({ kind: "said", text: said.trim() });
      before.set(one, said);
    }
    if (document.title !== title) told.push({ kind: "title", text: title = document.title });
  }).observe(document, { subtree: true, childList: true, characterData: true });
  addEventListener("focusin", ({ target }) => {
    told.push({ kind: "focus", at: window.__at.push(target) - 1 });
  }, true);
}"""

_SAID = """() => new Promise(said =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(said, 100))))"""
"""Two frames for what is drawn and its effects; then longer than the announcer gathers words.
Timers of a page run in their order, so that of the announcer is over."""

_STATES = ("required", "invalid", "checked", "pressed", "expanded", "disabled", "readonly")
_SENTENCE = re.compile(r"(?<=[.!?:…]) +")


@dataclass
class ScreenReader:
    """Listens to a page, and writes down what is heard, act by act."""

    page: Page
    lines: list[str] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    repeated: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the page as it is now."""
        self._tree = self.page.context.new_cdp_session(self.page)
        self._tree.send("Accessibility.enable")
        self.page.evaluate(LISTEN)
        self._here = self._at("document.activeElement")
        self._heard: list[str] = []

    @contextmanager
    def act(self, what: str) -> Iterator[None]:
        """Write down what is heard of something that happens; nothing of it is heard twice."""
        self.lines += ["", f"# {what}"]
        self._heard = []
        yield
        self.hear()
        twice = [text for text, times in Counter(self._heard).items() if times > 1]
        self.repeated += [f"{what}: {text}" for text in twice]

    def hear(self) -> None:
        """Write down what is heard until now, once the page has said it all."""
        self.page.evaluate(_SAID)
        told: list[dict[str, Any]] = self.page.evaluate("window.__told.splice(0)")
        for one in told:
            if one["kind"] == "focus":
                self._focus(self._at(f"__at[{one['at']}]"))
            else:
                self.lines.append(f"{one['kind']}: {one['text']}")
            if one["kind"] == "said":
                self.said[one["text"]] += 1
                self._heard += _SENTENCE.split(one["text"])
        now = self._at("document.activeElement")
        if now and now != self._here:
            self.lines.append(f"now: {now.text}")
        self._here = now

    def _focus(self, on: "Node | None") -> None:
        if on is None or on == self._here:  # gone before it could be read out, or there already
            return
        if on.around and on.around != (self._here and self._here.around):
            self.lines.append(f"into: {on.around.text}")
        self.lines.append(f"focus: {on.text}")
        self._heard.append(on.name)
        self._here = on

    @property
    def transcript(self) -> str:
        """What was heard."""
        return "\n".join(self.lines).lstrip() + "\n"

    def _at(self, script: str) -> "Node | None":
        """Return how an element is read out; None for the page itself, and for what is gone."""
        found = self._tree.send("Runtime.evaluate", {"expression": script})["result"]
        if "objectId" not in found:
            return None
        asked = {"objectId": found["objectId"], "fetchRelatives": False}
        node = self._tree.send("Accessibility.getPartialAXTree", asked)["nodes"][0]
        if node.get("ignored") or node["role"]["value"] == "RootWebArea":
            return None
        around = None if script.endswith(_AROUND) else self._at(script + _AROUND)
        return _read_out(node, around)


@dataclass(frozen=True)
class Node:
    """How something is read out, its name, and the group that it is in."""

    name: str
    text: str
    around: "Node | None"


def _read_out(node: dict[str, Any], around: Node | None) -> Node:
    known = {one["name"]: one["value"].get("value") for one in node.get("properties", ())}
    states = [_state(name, known[name]) for name in _STATES if known.get(name) not in _UNSAID]
    name = node.get("name", {}).get("value", "")
    description = node.get("description", {}).get("value", "")
    text = ", ".join([f"{node['role']['value']} “{name}”", *states])
    return Node(name, text + (f" ({description})" if description else ""), around)


_AROUND = (
    "?.parentElement?.closest('fieldset, [role=group], [role=radiogroup], section[aria-label]')"
)
_UNSAID = (None, False, "false", "")


def _state(name: str, value: object) -> str:
    return name if value in (True, "true") else f"{name} {value}"
