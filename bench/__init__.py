"""The public API of clastbench."""
