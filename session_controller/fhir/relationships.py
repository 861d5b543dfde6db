"""Who is what to whom: codes and words of relationships, and which way round each is meant.

`Coverage.relationship` says what the beneficiary (the patient) is to the subscriber, with codes of
`subscriber-relationship` (13.1.2). `RelatedPerson.relationship` says what that person is to the
patient, with codes of HL7 v3 `RoleCode` (8.10.2). For one and the same subscriber these are
inverse: a child's coverage has `child`, and the subscriber is the child's parent (`PRN`).
"""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from schemas.questionnaire import Json

SUBSCRIBER_SYSTEM = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
ROLE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"

Standing = Literal["self", "child", "parent", "spouse", "common", "other", "injured"]
"""What one is to another: the codes of `subscriber-relationship`."""

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
    """Read what a relationship says, from its codes or its words; `other` where it is none known.

    Which of the two it is about, the concept does not say: the question does.
    """
    known = (_STANDINGS.get(said) for said in _said(concept))
    return next((one for one in known if one is not None), "other")


def inverse(standing: Standing) -> Standing:
    """Turn it round: who has a child is its parent."""
    return _INVERSE[standing]


def coverage_relationship(standing: Standing) -> dict[str, Json]:
    """Write what the patient is to the subscriber, for `Coverage.relationship`."""
    return {"coding": [{"system": SUBSCRIBER_SYSTEM, "code": standing}]}


def role_of(standing: Standing) -> dict[str, Json] | None:
    """Write what somebody is to the patient, for `RelatedPerson.relationship`; None for `other`."""
    code = _ROLES.get(standing)
    return None if code is None else _concept(code)


def with_role_code(concept: Mapping[str, Json]) -> dict[str, Json]:
    """Add the code of RoleCode to a relationship that is said in words, or by a bare code."""
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
