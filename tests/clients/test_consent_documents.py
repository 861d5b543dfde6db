"""A mapping cannot make a consent of a question whose document nobody can read here."""

import pytest

from clients.sdk.errors import Refused
from tests.clients.conftest import Clinic


def test_a_mapping_that_makes_a_consent_of_what_cannot_be_read_is_refused(clinic: Clinic) -> None:
    """With the place of the rule; without a link it is added."""
    question = {"linkId": "privacy", "type": "boolean"}
    form = {"resourceType": "Questionnaire", "id": "papers", "status": "active"}
    mapping = {"consents": {"privacy": "patient-privacy"}}
    linked = {**form, "item": [{**question, "text": "I accept the [Notice](/notice.pdf)."}]}
    with pytest.raises(Refused) as caught:
        clinic.admin.add_flow(linked, mapping=mapping)
    said = 'consents.privacy: points to "/notice.pdf", which is not part of the form'
    assert said in caught.value.rejection.message
    clinic.admin.add_flow(linked)
    plain = {**form, "item": [{**question, "text": "I accept this."}]}
    assert clinic.admin.add_flow(plain, mapping=mapping).flow_id == "papers"
