"""What systems are ranked on: one TOML a suite, frozen splits, manifests of data that is not shipped."""
