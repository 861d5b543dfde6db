"""The rules of FHIR Questionnaires: which items are enabled, answered and valid."""
