"""Where a model looked: methods of explanation, what they explain, and the regions that maps are scored against."""
