"""A form of what FHIR allows and few forms use, where two readers may come apart."""

from typing import Any

_CORE = "http://hl7.org/fhir/StructureDefinition/"


def _extension(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"url": _CORE + name, f"value{kind}": value}


def _in(language: str, content: str) -> dict[str, Any]:
    parts = [
        {"url": "lang", "valueCode": language},
        {"url": "content", "valueString": content},
    ]
    return {"extension": [{"url": f"{_CORE}translation", "extension": parts}]}


def _control(code: str) -> dict[str, Any]:
    return _extension("questionnaire-itemControl", "CodeableConcept", {"coding": [{"code": code}]})


_CONSENT = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
_SIGNED = _extension("questionnaire-signatureRequired", "CodeableConcept", {"coding": [{}]})
_EXPANDED = {
    "resourceType": "ValueSet",
    "id": "expanded",
    "url": "urn:example:expanded",
    "status": "active",
    "expansion": {
        "timestamp": "2026-11-22",
        "contains": [
            {
                "system": "urn:s",
                "code": "group",
                "abstract": True,
                "contains": [{"system": "urn:s", "code": "a", "display": "A"}],
            },
            {"system": "urn:s", "code": "old", "inactive": True},
            {
                "system": "urn:s",
                "code": "b",
                "display": "B",
                "_display": _in("es", "Be"),
                "designation": [
                    {"language": "es", "value": "not this"},
                    {"language": "fr", "value": "Bé"},
                ],
            },
        ],
    },
}
_EMPTY = {"resourceType": "ValueSet", "id": "empty", "status": "active", "compose": {"include": []}}
_ELSEWHERE = {
    "resourceType": "ValueSet",
    "id": "elsewhere",
    "status": "active",
    "compose": {"include": [{"system": "urn:all"}]},
}
_EXCLUDING = {
    "resourceType": "ValueSet",
    "id": "excluding",
    "status": "active",
    "compose": {
        "include": [{"system": "urn:s", "concept": [{"code": "a"}]}],
        "exclude": [{"system": "urn:s", "concept": [{"code": "b"}]}],
    },
}

FORM: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "corners",
    "status": "active",
    "language": "en",
    "name": "Corners",
    "contained": [_EXPANDED, _EMPTY, _ELSEWHERE, _EXCLUDING],
    "item": [
        {"linkId": "loose-1", "type": "string"},
        {
            "linkId": "loose-2",
            "type": "display",
            "text": "Read",
            "extension": [_CONSENT],
            "_text": _in("de", "Lies"),
        },
        {
            "linkId": "untitled",
            "type": "group",
            "item": [
                {
                    "linkId": "tip",
                    "type": "display",
                    "text": "Its name",
                    "extension": [_control("flyover")],
                },
                {
                    "linkId": "by-url",
                    "type": "choice",
                    "answerValueSet": "urn:example:expanded|1",
                },
                {"linkId": "by-id", "type": "choice", "answerValueSet": "#expanded"},
                {"linkId": "no-concepts", "type": "choice", "answerValueSet": "#empty"},
                {"linkId": "server", "type": "choice", "answerValueSet": "#elsewhere"},
                {"linkId": "excluding", "type": "choice", "answerValueSet": "#excluding"},
                {"linkId": "external", "type": "choice", "answerValueSet": "urn:example:other"},
            ],
        },
        {
            "linkId": "options",
            "type": "group",
            "text": "Options",
            "item": [
                {
                    "linkId": "mixed",
                    "type": "open-choice",
                    "repeats": True,
                    "extension": [
                        _extension("questionnaire-choiceOrientation", "Code", "horizontal")
                    ],
                    "answerOption": [
                        {"valueString": "Tea", "_valueString": _in("es", "Té")},
                        {"valueInteger": 0},
                        {"valueDate": "2026-11"},
                        {"valueTime": "08:00:00"},
                        {"valueReference": {"reference": "Patient/1", "type": "Patient"}},
                        {"valueReference": {"reference": "Patient/2", "display": "Ana"}},
                        {"valueCoding": {"display": "Without a code", "userSelected": True}},
                        {
                            "valueCoding": {
                                "system": "urn:s",
                                "version": "2",
                                "code": "none",
                                "display": "None of these",
                                "_display": _in("es-MX", "Ninguna"),
                                "extension": [
                                    _extension("questionnaire-optionPrefix", "String", "z)")
                                ],
                            },
                            "extension": [
                                _extension("questionnaire-optionExclusive", "Boolean", True)
                            ],
                        },
                    ],
                },
                {
                    "linkId": "constrained",
                    "type": "choice",
                    "answerConstraint": "optionsOrString",
                    "answerOption": [{"valueString": "x"}],
                },
                {
                    "linkId": "only",
                    "type": "choice",
                    "answerConstraint": "optionsOnly",
                    "answerOption": [{"valueString": "x"}],
                },
                {
                    "linkId": "integers",
                    "type": "integer",
                    "answerOption": [{"valueInteger": 1}, {"valueInteger": 2}],
                },
            ],
        },
        {
            "linkId": "limits",
            "type": "group",
            "text": "Limits",
            "item": [
                {
                    "linkId": "weight",
                    "type": "quantity",
                    "text": "Weight",
                    "extension": [
                        _extension("questionnaire-unit", "Coding", {"code": "kg", "version": "1"}),
                        _extension("questionnaire-unitOption", "Coding", {"code": "kg"}),
                        _extension(
                            "questionnaire-unitOption",
                            "Coding",
                            {"code": "[lb_av]", "display": "lb", "userSelected": False},
                        ),
                        _extension("minValue", "Quantity", {"value": 1.5, "unit": "kg"}),
                        _extension("maxValue", "Quantity", {"value": 300, "unit": "kg"}),
                    ],
                    "item": [
                        {
                            "linkId": "weight-help",
                            "type": "display",
                            "text": "Without shoes",
                            "extension": [_control("help")],
                        },
                        {
                            "linkId": "weight-more",
                            "type": "display",
                            "text": "At home",
                            "_text": _in("es", "En casa"),
                            "extension": [_control("help")],
                        },
                        {
                            "linkId": "weight-unit",
                            "type": "display",
                            "text": "kg",
                            "extension": [_control("unit")],
                        },
                        {"linkId": "weight-since", "type": "date", "text": "Since"},
                    ],
                },
                {
                    "linkId": "age",
                    "type": "integer",
                    "prefix": "2.",
                    "readOnly": True,
                    "extension": [
                        {
                            "url": f"{_CORE}minValue",
                            "_valueInteger": {"extension": [{"url": "urn:x", "valueString": "y"}]},
                        },
                        _extension("maxValue", "Integer", 120),
                        _extension("entryFormat", "String", "nnn"),
                    ],
                },
                {
                    "linkId": "scan",
                    "type": "attachment",
                    "extension": [
                        _extension("mimeType", "Code", "image/*"),
                        _extension("mimeType", "String", "application/pdf"),
                        _extension("maxSize", "Decimal", 1000),
                    ],
                },
            ],
        },
        {
            "linkId": "signing",
            "type": "group",
            "text": "Sign",
            "extension": [{"url": "urn:handrail:fhir:skippable", "valueBoolean": True}],
            "item": [
                {
                    "linkId": "both",
                    "type": "string",
                    "text": "Both",
                    "extension": [_CONSENT, _SIGNED],
                },
                {"linkId": "free", "type": "string", "required": False, "extension": [_SIGNED]},
                {"linkId": "needed", "type": "display", "text": "Here", "extension": [_SIGNED]},
                {
                    "linkId": "asked",
                    "type": "boolean",
                    "text": "So?",
                    "required": True,
                    "extension": [_CONSENT],
                },
                {"linkId": "wanted-text", "type": "display", "text": "x", "required": True},
            ],
        },
    ],
}
