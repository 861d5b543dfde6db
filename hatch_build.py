"""Builds the web pages into the package, with npm from a wheel: no Node has to be on the machine.

A wheel without its pages is no release: there, a failed build fails. An editable install goes on
without them, and the box says what is missing.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface[Any]):
    """Run `npm ci` and `npm run build` in `clients/web`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build, before the files of the wheel are gathered."""
        if self.target_name != "wheel":
            return
        try:
            build_pages(Path(self.root) / "clients" / "web")
        except (OSError, subprocess.CalledProcessError) as error:
            if version != "editable":
                raise
            self.app.display_warning(f"The web pages were not built: {error}")


def build_pages(folder: Path) -> None:
    """Build the pages of a folder into its `dist`; raises where npm is missing or fails."""
    shutil.rmtree(folder / "dist", ignore_errors=True)
    npm = [sys.executable, str(folder / "tools" / "npm.py")]
    for words in (["ci", "--ignore-scripts"], ["run", "build"]):
        subprocess.run([*npm, *words], check=True)  # noqa: S603 - our own program
