"""The commands of contributions: submit one, validate, review and merge those of others.

What a contribution must pass is :mod:`fm_hub.contribution`; how merged ones become rows of the next release is
:mod:`fm_hub.release.folding`.
"""
