"""Exports: the rows of a dataset in the forms that trainers and evaluators of other people read.

A format is one class with one pure method, from an :class:`~fm_hub.export.examples.Example` to a row; the loop, the
videos, the counts of what was left out and the files are here once for all of them.
"""
