"""The record's own words, in each language that it speaks; the form's words come from the form."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Every word of a record; braces name what is filled in. A table of them per language."""

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
    reason: str
    bytes: str
    evidence: str
    evidence_intro: str
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
