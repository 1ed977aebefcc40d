"""What readers see: leaderboards."""
