"""How a model learns: the engine, the loop around it, checks of the data, recovery, progress,
trackers."""
