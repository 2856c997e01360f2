"""Builders: from videos to datasets (annotate, compose)."""
