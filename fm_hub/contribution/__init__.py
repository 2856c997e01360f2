"""A contribution: one folder of other people's clips and rows, and all that it must pass before it is let in.

Nothing in this room writes, and nothing in it trusts the folder: names and sizes first, then the statement, then
the rows, then the videos, each only if what it rests on was found sound. ``fm_hub.contribute`` holds the commands.
"""
