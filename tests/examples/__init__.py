"""The demo's signaling server, over its WebSocket, with a real relay behind it."""
