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

_ROLES: Mapping[Standing, tuple[str, str]] = {
    "self": ("ONESELF", "self"),
    "child": ("CHILD", "child"),
    "parent": ("PRN", "parent"),
    "spouse": ("SPS", "spouse"),
    "common": ("DOMPART", "domestic partner"),
}

_ROLE_WORDS: Mapping[str, tuple[str, str]] = {
    "mother": ("MTH", "mother"),
    "father": ("FTH", "father"),
    "legal guardian": ("GUARD", "guardian"),
    "guardian": ("GUARD", "guardian"),
    "guard": ("GUARD", "guardian"),
    "son": ("SONC", "son"),
    "daughter": ("DAUC", "daughter"),
    "husband": ("HUSB", "husband"),
    "wife": ("WIFE", "wife"),
    "sibling": ("SIB", "sibling"),
    "brother": ("BRO", "brother"),
    "sister": ("SIS", "sister"),
    "grandparent": ("GRPRN", "grandparent"),
    "friend": ("FRND", "unrelated friend"),
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
    found = _ROLES.get(standing)
    return None if found is None else _concept(*found)


def with_role_code(concept: Mapping[str, Json]) -> dict[str, Json]:
    """Add the code of RoleCode to a relationship that is said in words."""
    if concept.get("coding"):
        return dict(concept)
    words = next(_said(concept), "")
    found = _ROLE_WORDS.get(words)
    if found is None and words in _STANDINGS:
        found = _ROLES.get(_STANDINGS[words])
    return {**concept, **(_concept(*found) if found else {})}


def _concept(code: str, display: str) -> dict[str, Json]:
    return {"coding": [{"system": ROLE_SYSTEM, "code": code, "display": display}]}


def _said(concept: Mapping[str, Json]) -> Iterator[str]:
    for coding in concept.get("coding") or ():
        yield from (str(coding[key]).lower() for key in ("code", "display") if coding.get(key))
    if concept.get("text"):
        yield str(concept["text"]).strip().lower()
