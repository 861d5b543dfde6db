"""What a person types in a field: when it is judged, how it is read, and what is said back."""

from typing import Any

from playwright.sync_api import expect

from tests.waiting import wait_until
from tests.web.conftest import Screens

_EXT = "http://hl7.org/fhir/StructureDefinition/"


def _in_spanish(text: str) -> dict[str, Any]:
    parts = [{"url": "lang", "valueCode": "es"}, {"url": "content", "valueString": text}]
    return {"extension": [{"url": f"{_EXT}translation", "extension": parts}]}


def _item(link_id: str, kind: str, text: str, spanish: str, *extension: Any, **more: Any) -> Any:
    named = {"linkId": link_id, "type": kind, "text": text, "_text": _in_spanish(spanish)}
    return named | {"extension": list(extension)} | more


_FIVE = {"url": f"{_EXT}regex", "valueString": "[0-9]{5}"}

_DOLLARS = {
    "url": f"{_EXT}questionnaire-unit",
    "valueCoding": {
        "code": "USD/a",
        "display": "dollars a year",
        "_display": _in_spanish("dólares al año"),
    },
}

_WHOLE = {"url": f"{_EXT}regex", "valueString": r"\d{4}-\d{2}-\d{2}"}
_TODAY = {
    "url": f"{_EXT}maxValue",
    "_valueDate": {
        "extension": [
            {
                "url": f"{_EXT}cqf-calculatedValue",
                "valueExpression": {"language": "text/fhirpath", "expression": "today()"},
            }
        ]
    },
}
_SEARCHED = {
    "url": f"{_EXT}questionnaire-itemControl",
    "valueCodeableConcept": {"coding": [{"code": "autocomplete"}]},
}
_COUNTIES = [
    {"valueCoding": {"code": name.lower(), "display": name}} for name in ("Lane", "Multnomah")
]
_BIRTH = "http://hl7.org/fhir/StructureDefinition/Patient#Patient.birthDate"

FLOW: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "fields",
    "title": "Fields",
    "language": "en",
    "status": "active",
    "item": [
        {
            "linkId": "page",
            "type": "group",
            "text": "Page",
            "item": [
                _item("zip", "string", "ZIP code", "Código postal", _FIVE),
                _item("city", "string", "City", "Ciudad"),
                _item("remark", "text", "Remark", "Nota"),
                _item("county", "choice", "County", "Condado", _SEARCHED, answerOption=_COUNTIES),
                _item("ill", "boolean", "I am ill", "Tengo una enfermedad"),
                _item("income", "integer", "Income", "Ingresos", _DOLLARS),
                _item("dose", "decimal", "Dose", "Dosis"),
                _item("born", "date", "Born", "Nacimiento", _WHOLE, _TODAY, definition=_BIRTH),
                _item("since", "date", "Ill since", "Desde", {**_TODAY, "url": f"{_EXT}minValue"}),
                _item("seen", "dateTime", "Last visit", "Última visita"),
                _item("doses", "decimal", "All doses", "Todas las dosis", repeats=True),
            ],
        },
        {
            "linkId": "end",
            "type": "group",
            "text": "End",
            "item": [{"linkId": "note", "type": "string", "text": "Note"}],
        },
    ],
}


def begin(screens: Screens, language: str | None = None) -> Any:
    """Open the form; return the staff's and the patient's page."""
    screens.clinic.admin.add_flow(FLOW)
    desk, patient = screens.pair("Fields")
    if language:
        patient.page.locator(".language-buttons").get_by_role("button", name=language).click()
    return desk, patient


def leave(patient: Any) -> None:
    """Go on to another field."""
    patient.field("city").locator("input").focus()


def _expect_answers(screens: Screens, desk: Any, expected: dict[str, Any]) -> None:
    """Wait until the controller holds these values, and only these."""

    def held() -> dict[str, Any]:
        view = screens.clinic.admin.show_session(desk.page.url.rpartition("=")[2])
        return {field_id: field.value for field_id, field in view.fields.items()}

    wait_until(lambda: held() == expected, f"the controller holds {expected}", every_s=0.1)


def test_what_is_wrong_is_said_once_the_field_is_left(screens: Screens) -> None:
    """Not while it is typed in: the staff see it before; typing hides it until the next time."""
    desk, patient = begin(screens)
    box = patient.field("zip")
    control, error = box.locator("input"), box.locator(".error")
    control.press_sequentially("97")
    desk.page.locator('.mirror [data-field="zip"] .error').wait_for()
    expect(error).to_have_count(0)
    expect(control).not_to_have_attribute("aria-invalid", "true")
    control.press("Tab")
    expect(error).to_have_text("This is not in the expected format.")
    expect(control).to_have_attribute("aria-invalid", "true")
    identity = error.get_attribute("id") or ""
    expect(control).to_have_attribute("aria-describedby", identity)
    spoken = patient.page.locator("#announcer")
    expect(spoken.filter(has_text="ZIP code: This is not in the expected format.")).to_have_count(1)
    control.fill("9720")
    expect(error).to_have_count(0)
    control.fill("97201 ")
    control.press("Tab")
    expect(error).to_have_count(0)
    expect(control).to_have_value("97201")


def test_what_was_wrong_before_is_said_on_arrival(screens: Screens) -> None:
    """A page that is loaded anew says at once what is wrong with what it holds."""
    desk, patient = begin(screens)
    patient.fill("zip", "97")
    desk.page.locator('.mirror [data-field="zip"] .error').wait_for()
    patient.page.reload()
    expect(patient.field("zip").locator(".error")).to_have_text(
        "This is not in the expected format."
    )


def test_a_click_elsewhere_leaves_the_field(screens: Screens) -> None:
    """Where nothing takes the focus, the pointer tells that the person went on."""
    _, patient = begin(screens)
    patient.field("zip").locator("input").press_sequentially("97")
    patient.page.locator(".done-hint").click()
    patient.field("zip").get_by_text("This is not in the expected format.").wait_for()


def test_a_number_is_said_back_as_it_was_read(screens: Screens) -> None:
    """What was typed stays; below it is what was understood, with the unit in the language."""
    desk, patient = begin(screens)
    field = patient.field("income")
    control, back = field.locator("input"), field.locator(".said-back")
    control.press_sequentially("12,000")
    expect(back).to_have_count(0)
    leave(patient)
    expect(back).to_have_text("12,000 dollars a year")
    expect(control).to_have_value("12,000")
    expect(control).to_have_attribute("aria-describedby", back.get_attribute("id") or "")
    spoken = patient.page.locator("#announcer")
    expect(spoken.filter(has_text="Income: 12,000 dollars a year")).to_have_count(1)
    expect(desk.page.locator('.mirror [data-field="income"] .said-back')).to_have_text(
        "12,000 dollars a year"
    )
    _expect_answers(screens, desk, {"income": 12_000})
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    expect(back).to_have_text("12\u202f000 dólares al año")
    expect(field.locator(".unit")).to_have_text("dólares al año")


def test_a_number_that_could_be_two_is_taken_for_none(screens: Screens) -> None:
    """The patient is told what to write and keeps their words; the staff see that it is missing."""
    desk, patient = begin(screens)
    control = patient.field("income").locator("input")
    control.fill("1200")
    desk.page.wait_for_function(_shows("income", "1200"))
    control.fill("12,00")
    leave(patient)
    sentence = "This could be two numbers. Write 1200 without commas or points, or 12."
    expect(patient.field("income").locator(".error")).to_have_text(sentence)
    desk.page.get_by_text("Not taken from the patient").wait_for()
    _expect_answers(screens, desk, {})
    desk.next("End")
    patient.title("End")
    patient.says("12,00").wait_for()
    desk.press("Back")
    patient.title("Page")
    expect(control).to_have_value("12,00")
    expect(patient.field("income").locator(".error")).to_have_text(sentence)
    control.fill("12")
    leave(patient)
    expect(patient.field("income").locator(".said-back")).to_have_text("12 dollars a year")
    _expect_answers(screens, desk, {"income": 12})


def test_numbers_are_read_in_the_forms_language(screens: Screens) -> None:
    """In Spanish a comma begins the decimals, and so a held number is shown."""
    desk, patient = begin(screens, "Español")
    control = patient.field("dose").locator("input")
    control.fill("1,500")
    leave(patient)
    expect(patient.field("dose").locator(".error")).to_have_text(
        "Podrían ser dos números. Escriba 1500 sin puntos ni comas, o 1,5."
    )
    control.fill("1,5")
    leave(patient)
    desk.page.wait_for_function(_shows("dose", "1,5"))
    _expect_answers(screens, desk, {"dose": 1.5})
    patient.fill("income", "1,5")
    leave(patient)
    error = patient.field("income").locator(".error")
    expect(error).to_have_text("Escriba un número entero.")
    patient.page.locator(".language-buttons").get_by_role("button", name="English").click()
    expect(error).to_have_text("Write the number without commas or points, such as 15.")
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    patient.page.reload()
    expect(control).to_have_value("1,5")


def test_of_several_numbers_one_that_is_wrong_keeps_its_place(screens: Screens) -> None:
    """What was typed in a row stays there while other rows are filled in."""
    desk, patient = begin(screens)
    field = patient.field("doses")
    field.locator("input").fill("1")
    for n, text in enumerate(["2 mg", "3"], start=1):
        field.get_by_role("button", name="Add another").click()
        field.locator("input").nth(n).fill(text)
    leave(patient)
    expect(field.locator(".error")).to_have_text("Enter a number in digits, such as 12.")
    shown = [one.input_value() for one in field.locator("input").all()]
    assert shown == ["1", "2 mg", "3"]
    _expect_answers(screens, desk, {"doses": [1, 3]})
    field.locator("input").nth(1).fill("2")
    leave(patient)
    expect(field.locator(".error")).to_have_count(0)
    desk.page.wait_for_function(
        "() => document.querySelectorAll('.mirror .several input').length === 3"
    )
    _expect_answers(screens, desk, {"doses": [1, 2, 3]})


_TWO_FRAMES = "() => new Promise(d => requestAnimationFrame(() => requestAnimationFrame(d)))"
"""What a change shows is on the screen after it."""


def test_a_click_that_leaves_a_field_meets_what_it_was_aimed_at(screens: Screens) -> None:
    """What is said below the field waits until the button is up, however slow the hand."""
    _, patient = begin(screens)
    patient.fill("zip", "97")
    patient.fill("zip", "972")
    box = patient.field("ill").get_by_role("checkbox")
    box.scroll_into_view_if_needed()
    area = box.bounding_box()
    mouse = patient.page.mouse
    mouse.move(area["x"] + 3, area["y"] + 3)
    mouse.down()
    patient.page.evaluate(_TWO_FRAMES)
    expect(patient.field("zip").locator(".error")).to_have_count(0)
    mouse.up()
    expect(patient.field("zip").locator(".error")).to_have_count(1)
    expect(patient.field("ill").get_by_role("checkbox")).to_be_checked()


def test_nothing_that_is_typed_is_corrected(screens: Screens) -> None:
    """No browser changes a name or a number behind the patient's back."""
    _, patient = begin(screens)
    for field_id in ("zip", "remark", "income", "born"):
        control = patient.field(field_id).locator("input, textarea").first
        found = control.evaluate(
            "one => ['autocorrect', 'spellcheck', 'autocapitalize'].map(a => one.getAttribute(a))"
        )
        assert found == ["off", "false", "sentences" if field_id == "zip" else None], field_id
        assert control.evaluate("one => one.autocorrect") in (False, None), field_id
        assert control.evaluate("one => one.spellcheck") is False


def _parts(patient: Any, field_id: str) -> list[tuple[str, str]]:
    """Return the label and the value of each box of a date, in order."""
    found: list[tuple[str, str]] = [
        (one.evaluate("box => box.labels[0].textContent"), one.input_value())
        for one in patient.field(field_id).locator("[data-part]").all()
    ]
    return found


def test_a_date_is_asked_in_the_order_of_the_forms_language(screens: Screens) -> None:
    """Not of a browser in another; what was understood is said back with the month's name."""
    desk, patient = _pair(screens, locale="de-DE")
    assert [label for label, _ in _parts(patient, "born")] == ["Month", "Day", "Year"]
    patient.page.get_by_role("group", name="Born").get_by_label("Month").wait_for()
    patient.field("born").get_by_text("For example 1 31 1980").wait_for()
    patient.date("born", "1980-02-03")
    leave(patient)
    back = patient.field("born").locator(".said-back")
    expect(back).to_have_text("February 3, 1980")
    mirror = desk.page.locator('.mirror [data-field="born"]')
    expect(mirror.locator(".said-back")).to_have_text("February 3, 1980")
    assert [one.input_value() for one in mirror.locator("input").all()] == ["2", "3", "1980"]
    assert mirror.locator("input").first.get_attribute("readonly") is not None
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    assert _parts(patient, "born") == [("Día", "03"), ("Mes", "02"), ("Año", "1980")]
    expect(back).to_have_text("3 de febrero de 1980")
    _expect_answers(screens, desk, {"born": "1980-02-03"})


def test_what_is_wrong_with_a_date_is_said_once_all_of_it_is_left(screens: Screens) -> None:
    """Not between its parts. What was typed is there again on a page that is loaded anew."""
    desk, patient = begin(screens)
    error = patient.field("born").locator(".error")
    patient.date("born", "1980-02-31")
    expect(error).to_have_count(0)
    leave(patient)
    expect(error).to_have_text("February 1980 has only 29 days.")
    mirror = desk.page.locator('.mirror [data-field="born"]')
    expect(mirror.locator(".error")).to_have_text("February 1980 has only 29 days.")
    for date, sentence in {
        "1980-02": "Fill in the day.",
        "80-02-03": "Write the year with four digits, such as 1980.",
        "1980-13-03": "Write the month as a number from 1 to 12.",
        "2030-01-01": "This date is in the future.",
    }.items():
        patient.date("born", date)
        expect(error).to_have_count(0)
        leave(patient)
        expect(error).to_have_text(sentence)
    patient.date("born", "80-02-03")
    leave(patient)
    expect(mirror.locator(".error")).to_have_text("Write the year with four digits, such as 1980.")
    patient.page.reload()
    patient.field("born").wait_for()
    assert _parts(patient, "born") == [("Month", "2"), ("Day", "3"), ("Year", "80")]
    expect(error).to_have_text("Write the year with four digits, such as 1980.")
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    expect(error).to_have_text("Escriba el año con cuatro cifras, por ejemplo 1980.")


def test_a_partial_date_is_kept_as_it_is(screens: Screens) -> None:
    """Where the question takes one: its day is left empty, and that is said."""
    desk, patient = begin(screens)
    back = patient.field("since").locator(".said-back")
    patient.date("since", "2099-02")
    leave(patient)
    expect(back).to_have_text("February 2099, without a day")
    _expect_answers(screens, desk, {"since": "2099-02"})
    patient.page.reload()
    patient.field("born").wait_for()
    assert _parts(patient, "since") == [("Month", "2"), ("Day", ""), ("Year", "2099")]
    patient.date("since", "2099")
    leave(patient)
    expect(back).to_have_text("2099, without month and day")


def test_a_moment_has_a_date_and_a_time(screens: Screens) -> None:
    """Both are said back together; a time without its date is not enough."""
    desk, patient = _pair(screens, timezone_id="America/Los_Angeles")
    field = patient.field("seen")
    field.get_by_label("Time").fill("21:30")
    leave(patient)
    expect(field.locator(".error")).to_have_text("Fill in day, month and year.")
    patient.date("seen", "2026-11-22")
    leave(patient)
    expect(field.locator(".said-back")).to_have_text("November 22, 2026, 9:30\u202fPM")
    _expect_answers(screens, desk, {"seen": "2026-11-22T21:30:00-08:00"})


def test_nothing_is_offered_by_the_browser_but_a_birth_date_on_an_own_phone(
    screens: Screens,
) -> None:
    """A tablet of the clinic keeps nothing of one patient for the next."""
    _, patient = begin(screens)
    boxes = patient.field("born").locator("[data-part]")
    tokens = [one.get_attribute("autocomplete") for one in boxes.all()]
    assert tokens == ["bday-month", "bday-day", "bday-year"]
    others = patient.field("since").locator("[data-part]").all()
    assert {one.get_attribute("autocomplete") for one in others} == {"off"}
    kiosk = screens.kiosk("Tablet 1")
    screens.desk(name="Second desk").open("Fields", kiosk="Tablet 1")
    kiosk.title("Page")
    boxes = kiosk.field("born").locator("[data-part]")
    assert {one.get_attribute("autocomplete") for one in boxes.all()} == {"off"}


def _pair(screens: Screens, **options: Any) -> Any:
    """Open the form on a patient's browser of another language or place."""
    screens.clinic.admin.add_flow(FLOW)
    return screens.pair("Fields", **options)


def test_what_is_in_no_list_is_kept(screens: Screens) -> None:
    """The staff see it, and it is there again when the page is loaded anew."""
    desk, patient = begin(screens)
    control = patient.field("county").locator("input")
    control.fill("Multnoma")
    leave(patient)
    sentence = "Please choose one of the answers in the list."
    expect(patient.field("county").locator(".error")).to_have_text(sentence)
    expect(desk.page.locator('.mirror [data-field="county"] .error')).to_have_text(sentence)
    patient.page.reload()
    expect(control).to_have_value("Multnoma")
    expect(patient.field("county").locator(".error")).to_have_text(sentence)


def _shows(field_id: str, value: str) -> str:
    where = f'.mirror [data-field="{field_id}"] input'
    return f"() => document.querySelector('{where}')?.value === {value!r}"
