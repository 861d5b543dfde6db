"""What the next start of this program does to a data folder: migrations, and the way back."""

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from session_controller.backup.outlook import mib
from session_controller.backup.upgrade_outlook import Cost, cost_of, way_back
from session_controller.errors import StoreError
from session_controller.preflight.finding import Finding, Level
from session_controller.storage.database import Schema, newer_in_words, schema_of
from session_controller.storage.room import DiskUsage

_MINUTE = 60.0


def upgrade_findings(data: Path, usage: DiskUsage = shutil.disk_usage) -> Iterator[Finding]:
    """Yield whether the next start can use the data as it is, and what it does before. Reads only.

    If it migrates: which migrations, whether a backup fits, how long it takes, and how to go back.
    """
    try:
        schema = schema_of(data)
    except StoreError as error:
        mend = f"`handrail doctor --data {data}`"
        yield Finding("schema", Level.CRITICAL, str(error), mend)
        return
    if schema.newer:
        yield _newer(data, schema)
    elif not schema.pending:
        yield Finding("schema", Level.OK, _current(schema))
    else:
        cost = cost_of(data, usage)
        yield Finding("schema", Level.NOTE, _due(schema))
        yield _room(cost, data)
        yield Finding("upgrade-time", Level.NOTE, _time(cost))
        yield Finding("going-back", Level.NOTE, _BACK)


_BACK = (
    "going back is possible with that backup: install the earlier version and restore it; what is "
    "entered after the upgrade is then left behind"
)


def _newer(data: Path, schema: Schema) -> Finding:
    back = way_back(data)
    mend = "install the newer version"
    if back is not None:
        mend += f", or `handrail restore {back} --data {data}`"
    return Finding("schema", Level.CRITICAL, newer_in_words(schema), mend)


def _current(schema: Schema) -> str:
    mine = version("handrail")
    if not schema.applied:
        return f"nothing is stored yet; the first start of version {mine} creates the database"
    return f"the data has the schema of this version ({mine}); a start changes nothing"


def _due(schema: Schema) -> str:
    since = f", last started by version {schema.program}" if schema.program else ""
    names = ", ".join(f"{name!r}" for name in schema.pending)
    return (
        f"the next start of version {version('handrail')} backs up this data{since}, and then runs "
        f"{len(schema.pending)} of {len(schema.pending) + len(schema.applied)} migrations: {names}"
    )


def _room(cost: Cost, data: Path) -> Finding:
    text = (
        f"the backup needs at most {mib(cost.backup)}, the migrations {mib(cost.migration)}; the "
        f"disk has {mib(cost.room.free)} besides the {mib(cost.room.reserve)} that are kept free"
    )
    if cost.fits:
        return Finding("upgrade-room", Level.OK, text)
    mend = (
        "purge old sessions, `handrail restore --forget-replaced`, or use a larger disk; without a "
        f"way back: `handrail upgrade --without-backup --data {data}`"
    )
    return Finding("upgrade-room", Level.CRITICAL, f"{text}: the start refuses", mend)


def _time(cost: Cost) -> str:
    minutes = cost.seconds / _MINUTE
    long = f"{minutes:,.0f} minutes" if minutes >= 1 else "a minute"
    return f"screens wait at most {long} at that start, on a slow disk"
