"""What the relay has to bear: hostile messages of every kind, and floods, beside running calls."""
