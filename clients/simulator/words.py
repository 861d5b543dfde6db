"""Words for generated answers, chosen by hints in a field's id and text."""

from collections.abc import Callable
from random import Random

_FIRST = ("Amara", "Benjamin", "Carmen", "Dmitri", "Elif", "Francisco", "Grace", "Hiroshi", "Ines")
_MIDDLE = ("Ann", "Lee", "José", "Marie", "Ray")
_LAST = ("Okafor", "Nguyen", "García", "O'Neill", "Kowalski", "Haddad", "Smith", "Johansson")
_STREETS = ("Maple Street", "2nd Avenue", "Elm Court", "Harbor Road", "Sunset Boulevard")
_CITIES = ("Springfield", "Riverton", "Fairview", "Lakeside", "Georgetown")
_MEDICINES = ("Lisinopril", "Metformin", "Levothyroxine", "Albuterol inhaler", "Ibuprofen")
_ALLERGENS = ("Penicillin", "Peanuts", "Latex", "Shellfish", "Bee stings")
_REACTIONS = ("Rash", "Swelling of the lips", "Shortness of breath", "Nausea")
_RELATIONS = ("Spouse", "Parent", "Sister", "Friend")
_LANGUAGES = ("Spanish", "Tagalog", "Polish", "Amharic")

ORGANISATIONS = ("Northwind Health Plan", "Blue Harbor Insurance", "Cedar Mutual", "Acme Logistics")

NOTES = (
    "No known problems, but I tire easily",
    "Cough and a sore throat since Monday, no fever",
    "Twisted my left ankle on the stairs, it is still swollen",
    "Had the same last year, it went away after two weeks",
)


def _digits(rng: Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _phone(rng: Random) -> str:
    """Return a number of the range reserved for fiction (555-0100 to 555-0199)."""
    return f"({rng.randint(201, 989)}) 555-01{_digits(rng, 2)}"


def _email(rng: Random) -> str:
    last = rng.choice(_LAST).lower().replace("'", "").replace("í", "i")
    return f"{rng.choice(_FIRST).lower()}.{last}@example.org"


def plausible_name(rng: Random) -> str:
    """Return a person's name."""
    return f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"


def _street(rng: Random) -> str:
    return f"{rng.randint(1, 980)} {rng.choice(_STREETS)}"


def _social(rng: Random) -> str:
    """Return a number that is never issued: one that begins with 9."""
    return f"9{_digits(rng, 2)}-{rng.randint(10, 49)}-{_digits(rng, 4)}"


def _member(rng: Random) -> str:
    letters = "".join(rng.choice("BCDFGHKLMNPRSTWXZ") for _ in range(3))
    return letters + _digits(rng, 8)


def _one_of(words: tuple[str, ...]) -> Callable[[Random], str]:
    return lambda rng: rng.choice(words)


HINTS: tuple[tuple[str, Callable[[Random], str]], ...] = (
    (r"e ?mail", _email),
    (r"phone|mobile|\bfax\b|\btel\b|cell", _phone),
    (r"\bssn\b|social security", _social),
    (r"zip|postal|postcode", lambda rng: _digits(rng, 5)),
    (r"member|policy n|policy id|subscriber id|group n|insurance (id|n)", _member),
    (r"line ?2|address 2|additional line|apartment|\bunit\b", lambda r: f"Apt {r.randint(1, 99)}"),
    (r"province|state\b", _one_of(("CA", "NY", "TX", "WA"))),
    (r"city|town|village", _one_of(_CITIES)),
    (r"county", _one_of(("Kings County", "Lake County"))),
    (r"country", _one_of(("United States",))),
    (r"street|address", _street),
    (r"middle", _one_of(_MIDDLE)),
    (r"first|given", _one_of(_FIRST)),
    (r"surname|last name|family name|last\b", _one_of(_LAST)),
    (r"pharmacy", _one_of(("Main Street Pharmacy", "Corner Drugs"))),
    (r"carrier|insur|payer|plan\b", _one_of(ORGANISATIONS[:3])),
    (r"employer|company|firm|practice|site name|hospital", _one_of(ORGANISATIONS)),
    (r"relation", _one_of(_RELATIONS)),
    (r"language", _one_of(_LANGUAGES)),
    (r"pronoun", _one_of(("They/them", "She/her", "He/him"))),
    (r"occupation|job|title", _one_of(("Teacher", "Electrician", "Nurse"))),
    (r"dose|dosage|how much", _one_of(("10 mg", "500 mg", "2 puffs"))),
    (r"how often|frequency", _one_of(("Once a day", "Twice a day", "When needed"))),
    (r"medic|drug|medicine", _one_of(_MEDICINES)),
    (r"reaction", _one_of(_REACTIONS)),
    (r"allerg", _one_of(_ALLERGENS)),
    (r"physician|doctor|provider|consultant", lambda rng: f"Dr. {rng.choice(_LAST)}"),
    (r"licen[cs]e|passport|id number|document number", _member),
    (r"name|contact|signed|signature", plausible_name),
)
"""The first hint found in a field's id and text decides."""
