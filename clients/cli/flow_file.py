"""Questionnaire files, in JSON and YAML."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.questionnaire.model import Flow


def read_flow(path: Path) -> "Flow":
    """Read a questionnaire file as a flow. Raises FlowError, OSError."""
    from schemas.questionnaire.load import load_flow

    return load_flow(read_questionnaire(path), fallback_id=path.stem)


def read_questionnaire(path: Path) -> dict[str, Any]:
    """Read a questionnaire file, in JSON or YAML. Raises FlowError, OSError."""
    source = path.read_bytes()
    if path.suffix.lower() in (".yaml", ".yml"):
        from schemas.questionnaire.yaml import parse_yaml

        return dict(parse_yaml(source))
    from schemas.questionnaire.load import parse_json

    return dict(parse_json(source))
