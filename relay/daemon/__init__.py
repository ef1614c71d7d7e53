"""Wires everything: the only place that reads clocks, opens sockets for others, and stops."""
