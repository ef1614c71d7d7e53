"""Tests of the daemon: as a process that is sent signals, and its engine with a clock of ours."""
