"""Codes and names of relationships between persons, and their direction.

`Coverage.relationship` is the beneficiary's (the patient's) relationship to the subscriber, with
codes of `subscriber-relationship` (13.1.2). `RelatedPerson.relationship` is that person's
relationship to the patient, with codes of HL7 v3 `RoleCode` (8.10.2). For the same subscriber they
are inverse: a child's coverage has `child`, and the subscriber is the child's parent (`PRN`).
"""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from schemas.questionnaire.model import Json

SUBSCRIBER_SYSTEM = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
ROLE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"

Standing = Literal["self", "child", "parent", "spouse", "common", "other", "injured"]
"""A relationship: the codes of `subscriber-relationship`."""

_STANDINGS: Mapping[str, Standing] = {
    **{code: code for code in get_args(Standing)},
    **dict.fromkeys(("oneself", "myself", "patient", "me"), "self"),
    **dict.fromkeys(("prn", "fth", "mth", "nmth", "nfth", "prninlaw", "stpprn"), "parent"),
    **dict.fromkeys(("mother", "father", "adoptp", "adoptf", "adoptm", "stpmth"), "parent"),
    **dict.fromkeys(("nprn", "stpfth", "natural parent", "stepparent"), "parent"),
    **dict.fromkeys(("chld", "chldadopt", "nchild", "son", "daughter", "dau", "sonc"), "child"),
    **dict.fromkeys(("dauc", "sonadopt", "dauadopt", "stpchld", "stpson", "stpdau"), "child"),
    **dict.fromkeys(("sps", "husb", "wife", "husband", "spouse or partner"), "spouse"),
    **dict.fromkeys(("dompart", "domestic partner", "common law spouse", "partner"), "common"),
    **dict.fromkeys(("injured party", "injured plaintiff"), "injured"),
}

_INVERSE: Mapping[Standing, Standing] = {
    "self": "self",
    "child": "parent",
    "parent": "child",
    "spouse": "spouse",
    "common": "common",
    "other": "other",
    "injured": "other",
}

_ROLES: Mapping[Standing, str] = {
    "self": "ONESELF",
    "child": "CHILD",
    "parent": "PRN",
    "spouse": "SPS",
    "common": "DOMPART",
}

_DISPLAYS: Mapping[str, str] = {
    "ONESELF": "self",
    "CHILD": "child",
    "PRN": "parent",
    "SPS": "spouse",
    "DOMPART": "domestic partner",
    "MTH": "mother",
    "FTH": "father",
    "GUARD": "guardian",
    "SONC": "son",
    "DAUC": "daughter",
    "HUSB": "husband",
    "WIFE": "wife",
    "SIB": "sibling",
    "BRO": "brother",
    "SIS": "sister",
    "GRPRN": "grandparent",
    "GRMTH": "grandmother",
    "GRFTH": "grandfather",
    "POWATT": "power of attorney",
    "HPOWATT": "healthcare power of attorney",
    "FRND": "unrelated friend",
    "FAMMEMB": "family member",
}
"""Codes of RoleCode that forms and signers use."""

_BY_WORDS: Mapping[str, str] = {
    **{display: code for code, display in _DISPLAYS.items()},
    **{code.lower(): code for code in _DISPLAYS},
    "legal guardian": "GUARD",
    "friend": "FRND",
}


def standing_of(concept: Mapping[str, Json]) -> Standing:
    """Return a relationship by its codes or text, or `other` if it is not known.

    The direction is given by the question, not by the concept.
    """
    known = (_STANDINGS.get(said) for said in _said(concept))
    return next((one for one in known if one is not None), "other")


def inverse(standing: Standing) -> Standing:
    """Return the inverse: who has a child is its parent."""
    return _INVERSE[standing]


def coverage_relationship(standing: Standing) -> dict[str, Json]:
    """Return the patient's relationship to the subscriber, for `Coverage.relationship`."""
    return {"coding": [{"system": SUBSCRIBER_SYSTEM, "code": standing}]}


def role_of(standing: Standing) -> dict[str, Json] | None:
    """Return a person's `RelatedPerson.relationship` to the patient, or None for `other`."""
    code = _ROLES.get(standing)
    return None if code is None else _concept(code)


def with_role_code(concept: Mapping[str, Json]) -> dict[str, Json]:
    """Add the RoleCode to a relationship given as text or as a code without a system."""
    if concept.get("coding"):
        return dict(concept)
    words = next(_said(concept), "")
    code = _BY_WORDS.get(words) or _ROLES.get(_STANDINGS.get(words, "other"))
    return {**concept, **(_concept(code) if code else {})}


def _concept(code: str) -> dict[str, Json]:
    return {"coding": [{"system": ROLE_SYSTEM, "code": code, "display": _DISPLAYS[code]}]}


def _said(concept: Mapping[str, Json]) -> Iterator[str]:
    for coding in concept.get("coding") or ():
        yield from (str(coding[key]).lower() for key in ("code", "display") if coding.get(key))
    if concept.get("text"):
        yield str(concept["text"]).strip().lower()
