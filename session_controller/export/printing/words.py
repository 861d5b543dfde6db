"""The record's own wording in each language; the form's texts come from the form."""

from dataclasses import dataclass

from schemas.wire.commands import DocumentFault


@dataclass(frozen=True, slots=True)
class Words:
    """The wording of a record in one language; braces mark what is filled in."""

    language: str
    months: tuple[str, ...]
    date: str
    month: str
    record: str
    session: str
    label: str
    status: str
    statuses: dict[str, str]
    opened: str
    ended: str
    spoken: str
    form: str
    form_version: str
    identified: str
    identified_by: str
    born: str
    genders: dict[str, str]
    test: str
    not_submitted: str
    gaps: str
    answers: str
    question: str
    answer: str
    nothing: str
    none_added: str
    yes: str
    no: str
    missing: str
    invalid: str
    correction: str
    sent_back: str
    document_faults: dict[DocumentFault, str]
    incomplete: str
    document: str
    document_at: str
    read: str
    unread: str
    text_at: str
    signature_at: str
    unsigned: str
    documents: str
    no_documents: str
    picture_of: str
    page_of_document: str
    not_shown: str
    more_pages: str
    file: str
    sha256: str
    original_sha256: str
    received: str
    accepted: str
    review: str
    not_reviewed: str
    consents: str
    no_consents: str
    signature: str
    only_read: str
    consented: str
    not_consented: str
    signed: str
    declined: str
    withdrawn: str
    same_text: str
    signature_picture: str
    printed_name: str
    relationship: str
    relationships: dict[str, str]
    when: str
    meaning: str
    covers: str
    covers_all: str
    covers_text: str
    covers_patient: str
    covers_step: str
    covers_so_far: str
    changed_after: str
    signed_before: str
    declined_before: str
    covered_sha256: str
    reason: str
    bytes: str
    evidence: str
    evidence_intro: str
    earlier: str
    earlier_intro: str
    entered_at: str
    replaced_at: str
    removed_at: str
    the_form: str
    asked_by: str
    on_device: str
    asked_on: str
    asked_at: str
    decided_at: str
    text_language: str
    text_sha256: str
    flow_ref: str
    reading: str
    read_how_far: str
    read_how_long: str
    revision: str
    chain: str
    audit_log: str
    chain_entry: str
    chain_hash: str
    devices: str
    roles: dict[str, str]
    exported_at: str
    exported_by: str
    software: str
    fonts: str
    page: str
    chain_short: str
