"""Delivery of completed sessions to a FHIR server, a folder, or a topic of a central broker.

`courier` takes due deliveries from an outbox and passes them to the destination's `Sender`, which
returns an `Outcome`. Requests may be repeated: a crash between the server's commit and ours sends
one again, so every request is idempotent.
"""
