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


ENGLISH = Words(
    language="en",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    date="{day} {month} {year}",
    month="{month} {year}",
    record="Record of a session",
    session="Session",
    label="Label",
    status="Status",
    statuses={
        "waiting": "Waiting",
        "active": "Not finished yet",
        "paused": "Paused",
        "completed": "Completed",
        "cancelled": "Cancelled",
        "expired": "Expired",
    },
    opened="Opened",
    ended="Last change",
    spoken="Language",
    form="Form",
    form_version="version {version}",
    not_submitted="This session ended without being submitted. The record shows what was there.",
    gaps="{n} of the questions are still open; each is marked.",
    answers="Answers",
    question="Question",
    answer="Answer",
    nothing="—",
    none_added="None entered",
    yes="Yes",
    no="No",
    missing="An answer is missing",
    invalid="Does not keep the rules of the form",
    correction="Still to be corrected: {message}",
    sent_back="Sent back by the staff",
    incomplete="Did not arrive whole",
    document="Document {n}",
    document_at="Document {n}, page {page}",
    read="Read: {percent} %",
    unread="Not read",
    text_at="text on page {page}",
    signature_at="Signature {n}, page {page}",
    unsigned="Not signed",
    documents="Documents",
    no_documents="No documents were handed in.",
    picture_of="Picture: {label}",
    page_of_document="{label}: page {n} of the document, as a picture",
    not_shown="This file cannot be shown on paper. Its hash tells it for certain.",
    more_pages="Only the first {n} pages are shown here.",
    file="File",
    sha256="SHA-256",
    original_sha256="SHA-256 as sent",
    received="Received",
    accepted="Accepted by the staff",
    review="Review",
    not_reviewed="Not reviewed",
    consents="Consents and signatures",
    no_consents="This session holds no consents.",
    signature="Signature {n}",
    only_read="Read to {percent} %, without a signature",
    signed="Signed",
    declined="Declined",
    withdrawn="Withdrawn",
    same_text="The text is the same, to the letter, as that of signature {n}.",
    signature_picture="Signature, as it was drawn by hand",
    printed_name="Printed name",
    relationship="Signs for the patient as",
    when="Date and time",
    meaning="Meaning",
    reason="Reason",
    bytes="bytes",
    evidence="Evidence",
    evidence_intro="How each signature came about, and where the session’s audit log stood when this "
    "record was made. Times are those of the clinic’s own box, in UTC.",
    asked_by="Asked for by",
    on_device="Decided on",
    asked_on="{name}, on {device}",
    asked_at="Asked at",
    decided_at="Decided at",
    text_language="Language of the text",
    text_sha256="SHA-256 of the text",
    flow_ref="Form’s hash",
    reading="Read",
    read_how_far="“{text}”: {percent} %",
    read_how_long="{seconds} seconds on the screen",
    revision="Revision of the session",
    chain="Audit log’s hash",
    audit_log="Audit log and export",
    chain_entry="Newest entry",
    chain_hash="Its hash",
    devices="Devices that took part",
    roles={"facility": "staff", "patient": "patient", "admin": "staff"},
    exported_at="Record made at",
    exported_by="For",
    software="Software",
    fonts="A character that no font of the box can show stands here as its Unicode number, such as "
    "‹U+1F600›.",
    page="Page {n} of {total}",
    chain_short="Audit log",
)

SPANISH = Words(
    language="es",
    months=(
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ),
    date="{day} de {month} de {year}",
    month="{month} de {year}",
    record="Constancia de una sesión",
    session="Sesión",
    label="Etiqueta",
    status="Estado",
    statuses={
        "waiting": "En espera",
        "active": "Sin terminar",
        "paused": "En pausa",
        "completed": "Completada",
        "cancelled": "Cancelada",
        "expired": "Vencida",
    },
    opened="Abierta",
    ended="Último cambio",
    spoken="Idioma",
    form="Formulario",
    form_version="versión {version}",
    not_submitted="Esta sesión terminó sin ser enviada. La constancia muestra lo que había.",
    gaps="Quedan {n} preguntas abiertas; cada una está señalada.",
    answers="Respuestas",
    question="Pregunta",
    answer="Respuesta",
    nothing="—",
    none_added="Ninguno",
    yes="Sí",
    no="No",
    missing="Falta una respuesta",
    invalid="No cumple las reglas del formulario",
    correction="Por corregir: {message}",
    sent_back="Devuelto por el personal",
    incomplete="No llegó completo",
    document="Documento {n}",
    document_at="Documento {n}, página {page}",
    read="Leído: {percent} %",
    unread="Sin leer",
    text_at="texto en la página {page}",
    signature_at="Firma {n}, página {page}",
    unsigned="Sin firmar",
    documents="Documentos",
    no_documents="No se entregaron documentos.",
    picture_of="Imagen: {label}",
    page_of_document="{label}: página {n} del documento, como imagen",
    not_shown="Este archivo no se puede mostrar en papel. Su huella lo identifica con certeza.",
    more_pages="Aquí se muestran solo las primeras {n} páginas.",
    file="Archivo",
    sha256="SHA-256",
    original_sha256="SHA-256 al enviarse",
    received="Recibido",
    accepted="Aceptado por el personal",
    review="Revisión",
    not_reviewed="Sin revisar",
    consents="Consentimientos y firmas",
    no_consents="Esta sesión no contiene consentimientos.",
    signature="Firma {n}",
    only_read="Leído al {percent} %, sin firma",
    signed="Firmado",
    declined="Rechazado",
    withdrawn="Retirado",
    same_text="El texto es, letra por letra, el mismo que el de la firma {n}.",
    signature_picture="Firma, tal como se trazó a mano",
    printed_name="Nombre en letra de molde",
    relationship="Firma por el paciente como",
    when="Fecha y hora",
    meaning="Significado",
    reason="Motivo",
    bytes="bytes",
    evidence="Evidencia",
    evidence_intro="Cómo se dio cada firma, y dónde estaba el registro de auditoría de la sesión "
    "cuando se hizo esta constancia. Las horas son las del equipo de la clínica, en UTC.",
    asked_by="Solicitada por",
    on_device="Decidida en",
    asked_on="{name}, en {device}",
    asked_at="Solicitada a las",
    decided_at="Decidida a las",
    text_language="Idioma del texto",
    text_sha256="SHA-256 del texto",
    flow_ref="Huella del formulario",
    reading="Lectura",
    read_how_far="«{text}»: {percent} %",
    read_how_long="{seconds} segundos en la pantalla",
    revision="Revisión de la sesión",
    chain="Huella del registro",
    audit_log="Registro de auditoría y exportación",
    chain_entry="Última entrada",
    chain_hash="Su huella",
    devices="Dispositivos que participaron",
    roles={"facility": "personal", "patient": "paciente", "admin": "personal"},
    exported_at="Constancia hecha a las",
    exported_by="Para",
    software="Programa",
    fonts="Un carácter que ninguna fuente del equipo puede mostrar aparece aquí como su número "
    "Unicode, por ejemplo ‹U+1F600›.",
    page="Página {n} de {total}",
    chain_short="Registro",
)

_NAMES = {
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ht": "Kreyòl ayisyen",
    "it": "Italiano",
    "pl": "Polski",
    "pt": "Português",
    "tl": "Tagalog",
    "vi": "Tiếng Việt",
}
"""Languages by their own names, as far as the fonts that are always there can write them."""

LANGUAGES = {words.language: words for words in (ENGLISH, SPANISH)}


def words_in(language: str | None) -> Words:
    """Give the table for a language (BCP 47), by its base; English where there is none."""
    base = (language or "").partition("-")[0].lower()
    return LANGUAGES.get(base, ENGLISH)


def language_text(tag: str) -> str:
    """Name a language (BCP 47) by itself, with its tag."""
    name = _NAMES.get(tag.partition("-")[0].lower())
    return f"{name} ({tag})" if name else tag
