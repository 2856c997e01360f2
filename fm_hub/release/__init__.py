"""Releases: a dataset folder becomes a tagged version of a Hub repository, whole or not at all.

``stage`` makes the tree that will be published, ``push`` brings it up in steps that a journal remembers, ``pull``
brings it down. What is published is exactly what was verified.
"""
