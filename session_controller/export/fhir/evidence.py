"""Signatures in FHIR (R4, 2.24.0.18), and the evidence for them.

signature_of(evidence, who) -> Signature
evidence_extension(evidence) -> Extension
"""

import base64

from schemas.base import rfc3339
from session_controller.engine.evidence import SignatureEvidence
from session_controller.export.fhir.resources import Coding, Extension, Reference, Signature
from session_controller.export.fhir.strokes import MEDIA_TYPE, as_svg

EVIDENCE = "urn:handrail:fhir:evidence"
SHA256 = "urn:handrail:fhir:sha256"

_TYPE = Coding(
    system="urn:iso-astm:E1762-95:2013",
    code="1.2.840.10065.1.12.1.7",
    display="Consent Signature",
)


def signature_of(evidence: SignatureEvidence, who: Reference) -> Signature:
    """Return a signature with its picture; Provenance says on whose behalf it was given."""
    named = Reference(reference=who.reference, type=who.type, display=evidence.printed_name or None)
    return Signature(
        type=(_TYPE,),
        when=rfc3339(evidence.decided_at),
        who=named,
        target_format="text/plain",
        sig_format=MEDIA_TYPE,
        data=base64.b64encode(as_svg(evidence.strokes)).decode(),
    )


def evidence_extension(evidence: SignatureEvidence) -> Extension:
    """Return what was shown, how far it was read and who asked, as extensions."""
    strings = {
        "meaning": evidence.meaning,
        "printed-name": evidence.printed_name,
        "relationship": evidence.relationship,
        "document-sha256": evidence.document_sha256,
        "language": evidence.language,
        "flow": evidence.flow_ref,
        "flow-version": evidence.flow_version,
        "requested-by": evidence.requested_by,
        "requested-person": evidence.requested_person,
        "staff": evidence.staff_name,
        "decided-on": evidence.decided_on,
        "reason": evidence.reason,
        "chain": evidence.chain,
    }
    texts = (_text(name, text) for name, text in strings.items())
    return Extension(
        url=EVIDENCE,
        extension=(
            *(one for one in texts if one is not None),
            Extension(url="requested-at", value_instant=rfc3339(evidence.requested_at)),
            Extension(url="revision", value_integer=evidence.revision),
            *_coverage(evidence),
            *_readings(evidence),
        ),
    )


def _coverage(evidence: SignatureEvidence) -> list[Extension]:
    """Return what a signature was given for besides its text: the fields, and the hash of all."""
    covered = evidence.covered
    if covered is None:
        return []
    fields = [Extension(url="covers", value_string=one) for one in covered.patient + covered.fields]
    changed = [Extension(url="changed-after", value_string=one) for one in evidence.changed_after]
    return [*fields, Extension(url="covered-sha256", value_string=covered.sha256), *changed]


def _text(name: str, text: str | None) -> Extension | None:
    return Extension(url=name, value_string=text) if text and text.strip() else None


def _readings(evidence: SignatureEvidence) -> list[Extension]:
    written = []
    for one in evidence.reading:
        parts = [
            Extension(url="field", value_string=one.field_id),
            Extension(url="fraction", value_decimal=one.fraction),
            Extension(url="first-at", value_instant=rfc3339(one.first_at)),
            Extension(url="last-at", value_instant=rfc3339(one.last_at)),
        ]
        if one.seconds is not None:
            parts.append(Extension(url="seconds", value_decimal=one.seconds))
        written.append(Extension(url="reading", extension=tuple(parts)))
    return written
