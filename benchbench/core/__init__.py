"""The nouns that everything else speaks. Nothing here imports torch."""
