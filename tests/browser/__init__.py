"""Real browsers call each other through the demo page, in the laboratory."""
