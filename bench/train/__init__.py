"""Training loops: heads on frozen features, whole networks, and what both leave behind."""
