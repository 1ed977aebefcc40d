"""From a suite to results: graph, store, steps, executors, progress."""
