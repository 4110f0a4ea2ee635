"""Where a network's time, memory and traffic go, layer by layer; never in a run that is timed."""
