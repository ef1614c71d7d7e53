// The WebSocket to the signaling server: messages out, and each that comes in to its handler.

export class Signaling {
  #socket;

  /**
   * @param {Object<string, function>} handlers one per `type` of message.
   * @param {function} lost called once when the connection is gone.
   */
  constructor(handlers, lost) {
    const url = new URL("signaling", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      handlers[message.type]?.(message);
    };
    this.#socket.onclose = lost;
  }

  /** Resolves when messages can be sent. */
  opened() {
    return new Promise((resolve, reject) => {
      this.#socket.addEventListener("open", resolve);
      this.#socket.addEventListener("close", reject);
    });
  }

  send(type, fields = {}) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type, ...fields }));
    }
  }
}
