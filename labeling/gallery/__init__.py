"""Many cells at a glance: sheets of crops, verdicts on a whole screen, and what was in view when they were given."""
