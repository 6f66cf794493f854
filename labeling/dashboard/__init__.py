"""How far a project is, as numbers: by state, day, person and class, agreement, quality by round, storage."""
