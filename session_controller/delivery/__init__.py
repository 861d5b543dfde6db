"""Delivery of completed sessions: to a FHIR server, a folder, or a topic of a central broker.

`courier` takes from an outbox what is due and hands it to a `Sender` of the destination's kind;
each sender answers with an `Outcome`. What is sent may be sent again: a crash between the server's
commit and ours repeats a request, and each request is such that a repetition changes nothing.
"""
