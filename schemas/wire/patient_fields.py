"""Which questions of a flow say who the patient is."""

from schemas.base import Wire


class PatientFields(Wire):
    """The questions of a flow that say who the patient is, by linkId; empty where none does."""

    name: tuple[str, ...]
    birth_date: tuple[str, ...]
    gender: tuple[str, ...]
