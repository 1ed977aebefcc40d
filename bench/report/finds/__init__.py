"""Galleries of what systems found: boxes beside the clasts, by kind of error, on pages and on print sheets."""
