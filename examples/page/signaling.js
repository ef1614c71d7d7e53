// The WebSocket to the signaling server: messages out, and each that comes in to its handler.

export class Signaling {
  #socket;

  /**
   * Connect.
   * @param {Object<string, function>} handlers one per `type` of message.
   * @param {function} lost called once when the connection is gone.
   * @returns {Promise<Signaling>}
   */
  static open(handlers, lost) {
    const url = new URL("signaling", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      handlers[message.type]?.(message);
    };
    return new Promise((resolve, reject) => {
      socket.onerror = reject;
      socket.onopen = () => {
        socket.onclose = lost;
        resolve(new Signaling(socket));
      };
    });
  }

  constructor(socket) {
    this.#socket = socket;
  }

  send(type, fields = {}) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type, ...fields }));
    }
  }
}
