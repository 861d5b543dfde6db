"""FHIR R4 Questionnaires, parsed into flows."""
