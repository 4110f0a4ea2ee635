"""Layer replacement on any module: which stages, which layers, by what."""
