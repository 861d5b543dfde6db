"""The published JSON Schemas and AsyncAPI document."""
