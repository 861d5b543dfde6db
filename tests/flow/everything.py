"""One small questionnaire that uses each feature which a flow honours."""

_EXT = "http://hl7.org/fhir/StructureDefinition/"


def _ext(name, **value):
    return {"url": _EXT + name, **value}


def _unit(code):
    return {"code": code, "system": "http://unitsofmeasure.org"}


def _spanish(text):
    parts = [{"url": "lang", "valueCode": "es"}, {"url": "content", "valueString": text}]
    return {"extension": [{"url": _EXT + "translation", "extension": parts}]}


_COLORS = {
    "resourceType": "ValueSet",
    "id": "colors",
    "status": "active",
    "compose": {
        "include": [{"system": "urn:colors", "concept": [{"code": "r", "display": "Red"}]}]
    },
}

EVERYTHING = {
    "resourceType": "Questionnaire",
    "id": "everything",
    "status": "active",
    "title": "Everything",
    "_title": _spanish("Todo"),
    "contained": [_COLORS],
    "item": [
        {
            "linkId": "page",
            "type": "group",
            "text": "Page",
            "_text": _spanish("Página"),
            "required": True,
            "item": [
                {"linkId": "yes", "type": "boolean", "initial": [{"valueBoolean": False}]},
                {
                    "linkId": "number",
                    "type": "decimal",
                    "extension": [
                        _ext("minValue", valueDecimal=-1.5),
                        _ext("maxValue", valueDecimal=9),
                        _ext("maxDecimalPlaces", valueInteger=1),
                    ],
                },
                {"linkId": "count", "type": "integer"},
                {
                    "linkId": "day",
                    "type": "date",
                    "extension": [_ext("minValue", valueDate="2020-01-01")],
                },
                {"linkId": "moment", "type": "dateTime"},
                {"linkId": "clock", "type": "time"},
                {
                    "linkId": "word",
                    "type": "string",
                    "maxLength": 9,
                    "extension": [
                        _ext("regex", valueString="[a-z]{2,9}"),
                        _ext("minLength", valueInteger=2),
                        _ext("entryFormat", valueString="abc"),
                    ],
                },
                {"linkId": "words", "type": "text", "repeats": True},
                {"linkId": "link", "type": "url"},
                {
                    "linkId": "pick",
                    "type": "choice",
                    "repeats": True,
                    "answerOption": [
                        {"valueCoding": {"code": "a", "system": "s", "display": "A"}},
                        {"valueString": "b", "initialSelected": True},
                        {"valueInteger": 3},
                        {
                            "valueCoding": {"code": "none"},
                            "extension": [_ext("questionnaire-optionExclusive", valueBoolean=True)],
                        },
                    ],
                },
                {
                    "linkId": "color",
                    "type": "open-choice",
                    "answerValueSet": "#colors",
                    "item": [{"linkId": "why", "type": "string", "required": True}],
                },
                {
                    "linkId": "photo",
                    "type": "attachment",
                    "extension": [
                        _ext("mimeType", valueCode="image/png"),
                        _ext("maxSize", valueDecimal=1000),
                    ],
                },
                {"linkId": "who", "type": "reference"},
                {
                    "linkId": "weight",
                    "type": "quantity",
                    "extension": [
                        _ext("questionnaire-unitOption", valueCoding=_unit("kg")),
                        _ext("questionnaire-unitOption", valueCoding=_unit("lb")),
                    ],
                },
            ],
        },
        {
            "linkId": "visits",
            "type": "group",
            "repeats": True,
            "enableWhen": [
                {"question": "yes", "operator": "=", "answerBoolean": True},
                {"question": "page.count", "operator": ">", "answerInteger": 2},
            ],
            "enableBehavior": "any",
            "item": [
                {"linkId": "when", "type": "date", "required": True},
                {
                    "linkId": "drugs",
                    "type": "group",
                    "repeats": True,
                    "extension": [_ext("questionnaire-maxOccurs", valueInteger=3)],
                    "item": [
                        {"linkId": "drug", "type": "string", "required": True},
                        {
                            "linkId": "dose",
                            "type": "string",
                            "initial": [{"valueString": "1"}],
                            "enableWhen": [
                                {"question": "drug", "operator": "exists", "answerBoolean": True}
                            ],
                        },
                    ],
                },
            ],
        },
        {
            "linkId": "consent",
            "type": "display",
            "text": "I agree.",
            "extension": [{"url": "urn:handrail:fhir:consent", "valueBoolean": True}],
        },
        {
            "linkId": "sign",
            "type": "display",
            "text": "Sign here.",
            "_text": _spanish("Firme aquí."),
            "extension": [
                _ext("questionnaire-signatureRequired", valueCodeableConcept={"text": "Consent"})
            ],
        },
    ],
}
