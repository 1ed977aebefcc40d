"""What is ranked: backbones and detectors written against the same contracts as anybody's plugin."""
