"""The evidence for each signature, and the audit log's hash (ESIGN, Part 11)."""

from session_controller.engine.evidence import Reading, SignatureEvidence
from session_controller.export.printing.book import Book
from session_controller.export.printing.languages import language_text
from session_controller.export.printing.moments import exact, moment
from session_controller.export.printing.sheet import EvidencePart, Fact
from session_controller.export.printing.steps import outcome_text, percent


def evidence_parts(book: Book) -> tuple[EvidencePart, ...]:
    """Return one table per signature, then one on the log and the export."""
    signatures = [
        EvidencePart(
            f"{book.words.signature.format(n=number)}: {outcome_text(book, evidence.outcome)}",
            tuple(_signature(book, evidence)),
        )
        for number, evidence in enumerate(book.signatures, start=1)
    ]
    return (*signatures, EvidencePart(book.words.audit_log, tuple(_export(book))))


def _signature(book: Book, evidence: SignatureEvidence) -> list[Fact]:
    words = book.words
    facts = [
        Fact(words.printed_name, _given(evidence.printed_name)),
        Fact(words.asked_by, (_asked_by(book, evidence),)),
        Fact(words.asked_at, _at(book, evidence, decided=False)),
        Fact(words.on_device, (_device(book, evidence.decided_on),)),
        Fact(words.decided_at, _at(book, evidence, decided=True)),
        Fact(words.form, (_form(book, evidence),)),
        Fact(words.text_language, _given(evidence.language and language_text(evidence.language))),
        Fact(words.reading, tuple(_reading(book, one) for one in evidence.reading)),
        Fact(words.revision, (str(evidence.revision),)),
        Fact(words.text_sha256, (evidence.document_sha256,), code=True),
        Fact(
            words.covered_sha256,
            _given(evidence.covered.sha256 if evidence.covered else None),
            code=True,
        ),
        Fact(words.flow_ref, (evidence.flow_ref,), code=True),
        Fact(words.chain, (evidence.chain,), code=True),
    ]
    return [fact for fact in facts if fact.values]


def _given(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _at(book: Book, evidence: SignatureEvidence, *, decided: bool) -> tuple[str, ...]:
    at = evidence.decided_at if decided else evidence.requested_at
    return (f"{moment(at, book.words)} · {exact(at)}",)


def _asked_by(book: Book, evidence: SignatureEvidence) -> str:
    name = book.record.staff_name(evidence.requested_person, evidence.staff_name)
    return person_on(book, name, evidence.requested_by)


def person_on(book: Book, name: str | None, device: str) -> str:
    """Return who acted on a staff screen: their name, and the device."""
    named = _device(book, device)
    return book.words.asked_on.format(name=name, device=named) if name else named


def _device(book: Book, device: str) -> str:
    name = book.device_name(device)
    return name if name == device else f"{name} ({device})"


def _form(book: Book, evidence: SignatureEvidence) -> str:
    title = book.record.flow.title_in(book.record.language) or book.record.flow.flow_id
    if not evidence.flow_version:
        return title
    return f"{title}, {book.words.form_version.format(version=evidence.flow_version)}"


def _reading(book: Book, reading: Reading) -> str:
    words = book.words
    text = words.read_how_far.format(
        text=book.title_of(reading.field_id), percent=percent(reading.fraction)
    )
    if reading.seconds is not None:
        text += "; " + words.read_how_long.format(seconds=f"{reading.seconds:.0f}")
    return f"{text}\n{exact(reading.first_at)} \N{EN DASH} {exact(reading.last_at)}"


def _export(book: Book) -> list[Fact]:
    record, words = book.record, book.words
    made_at = f"{moment(record.exported_at, words)} · {exact(record.exported_at)}"
    return [
        Fact(words.chain_entry, (str(record.head.entry),)),
        Fact(words.chain_hash, (record.head.chain,), code=True),
        Fact(words.devices, tuple(_who(book, one) for one in book.devices)),
        Fact(words.exported_at, (made_at,)),
        Fact(words.exported_by, (_device(book, record.exported_by),)),
        Fact(words.software, (record.software,)),
    ]


def _who(book: Book, device: str) -> str:
    role = book.words.roles[book.devices[device].role.value]
    return f"{_device(book, device)}: {role}"
