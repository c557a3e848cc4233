"""Secrets are masked before they leave: by the name of what holds them, and by what they look like.

Loaded when there is something to send, in the thread that sends it; for lines on stdout with the first of them.
:mod:`.names` says which names are secret, :mod:`.rules` what secrets look like in texts, :mod:`.redactor` applies both
to records.
"""
