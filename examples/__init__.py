"""The demo: a small signaling server (`signaling/`) and the page that it serves (`page/`)."""
