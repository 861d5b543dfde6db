"""The rules of a session: pure functions without clock, randomness or I/O.

`decide(session, command, context)` returns a fact or a refusal, `evolve(session, event)` the next
session, and `view(session, device)` what a device may see. Time, ids and codes are arguments.
"""
