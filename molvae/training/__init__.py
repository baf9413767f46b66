"""The studio where a corpus becomes a model: schedules, the loop, validation, and states that resume."""
