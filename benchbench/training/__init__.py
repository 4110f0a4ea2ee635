"""One small loop, and one recipe file per objective."""
