"""What `make audit`, `make fuzz` and `make floods` run, and the tests of it."""
