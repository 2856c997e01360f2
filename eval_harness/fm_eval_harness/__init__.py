"""Evaluation: score any vision-language model on motion questions."""
