"""Typed views of results, then Markdown, HTML and plots. Nothing here imports torch."""
