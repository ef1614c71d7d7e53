"""Programs beside the daemon: `probe` measures a relay, `audit` searches captures."""
