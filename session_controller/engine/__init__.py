"""The rules of a session, all of them, pure: no clock, no randomness, no I/O.

`decide(session, sender, command)` gives a fact or a refusal, `evolve(session, event)` the session
after it, `view(session, device)` what a device may see. Time, ids and codes are arguments.
"""
