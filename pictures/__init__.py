"""The pictures and tables of docs/on-aws.md: ``python -m pictures [--record | --check]``.

``record`` runs the page's program against servers on this machine and keeps what has arrived in
``docs/pictures/on-aws.json``; everything else on the page is made from that file and from obsv's own settings.
"""
