// One party of a call on the W3C's interface, the same in browsers and in Node.
//
// Whoever calls opens a data channel and says something every 20 ms; whoever is called says it back.
// Where there are pictures, both send them too.

globalThis.party = {
  messages: 0,

  open(configuration, Connection = globalThis.RTCPeerConnection) {
    this.connection = new Connection(configuration);
    this.faults = [];
    this.hasRelay = false;
    this.connection.onicecandidate = ({ candidate }) => {
      this.hasRelay ||= / typ relay/.test(candidate?.candidate ?? "");
    };
    this.connection.onicecandidateerror = (event) =>
      this.faults.push(`${event.errorCode} ${event.errorText}`);
    this.connection.ondatachannel = ({ channel }) => {
      channel.onmessage = ({ data }) => {
        this.messages += 1;
        channel.send(data);
      };
    };
    if (globalThis.document) this.addPictures();
  },

  addPictures() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [160, 120];
    const context = canvas.getContext("2d");
    let moment = 0;
    this.painting = setInterval(() => {
      context.fillStyle = `hsl(${(moment += 7) % 360} 80% 50%)`;
      context.fillRect(0, 0, 160, 120);
    }, 50);
    const stream = canvas.captureStream(20);
    this.connection.addTrack(stream.getVideoTracks()[0], stream);
  },

  async offer() {
    const channel = this.connection.createDataChannel("interop");
    channel.onopen = () => {
      this.talking = setInterval(() => {
        if (channel.readyState === "open") channel.send("how do you do");
      }, 20);
    };
    channel.onmessage = () => (this.messages += 1);
    return await this.described(await this.connection.createOffer());
  },

  async answer(sdp) {
    await this.connection.setRemoteDescription({ type: "offer", sdp });
    return await this.described(await this.connection.createAnswer());
  },

  // With the first candidate of the relay: some clients go on to gather for very long without one.
  async described(description) {
    await this.connection.setLocalDescription(description);
    const end = Date.now() + 20_000;
    const isGathering = () => this.connection.iceGatheringState !== "complete" && Date.now() < end;
    while (!this.hasRelay && isGathering())
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (!this.hasRelay) throw new Error(`no relayed candidate: ${this.faults.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { sdp: this.connection.localDescription.sdp };
  },

  async take_answer(sdp) {
    await this.connection.setRemoteDescription({ type: "answer", sdp });
  },

  async state() {
    const frames = { messages: this.messages };
    if (this.painting) {
      const report = await this.connection.getStats();
      const pictures = [...report.values()].find(({ type }) => type === "inbound-rtp");
      frames.video = pictures?.framesDecoded ?? 0;
    }
    return { connection: this.connection.connectionState, frames, faults: this.faults };
  },

  close() {
    clearInterval(this.talking);
    clearInterval(this.painting);
    this.connection?.close();
  },
};
