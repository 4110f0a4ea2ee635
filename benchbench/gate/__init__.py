"""Verdicts on two results, or on two revisions: made from files, without torch."""
