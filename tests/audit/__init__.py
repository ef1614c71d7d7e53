"""What captures and descriptions tell of a party: every part of `relay.tools.audit`."""
