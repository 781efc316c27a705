"""Drills: many jobs under kills that are placed and counted, and a checker that judges the history of each."""
