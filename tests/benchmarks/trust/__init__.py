"""What is promised of a run that somebody disturbs, and what is measured of it; a part a file."""
