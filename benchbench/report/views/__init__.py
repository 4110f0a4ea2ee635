"""Typed rows computed from result tables: what a report shows, before it is put into words or drawn."""
