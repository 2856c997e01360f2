"""Dataset cards: templates and sample texts. Content, not code."""
