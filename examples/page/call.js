// One call: its RTCPeerConnection, and what the two pages tell each other.
//
// The caller makes every offer. While the call rings, both sides connect to the relay, so that the
// call starts at once; nothing of either description leaves its page before the call is accepted.

import { commitTo, digitsOf, fingerprintIn, fingerprintOf, makeNonce } from "./code.js";

export class Call {
  #signaling;
  #connection = null;
  #certificate = null;
  #media = null;
  #changed;
  #last = Promise.resolve();
  #nonce = "";
  #commitment = "";
  #isAccepted = false;
  #isDescribed = false;

  /**
   * @param {object} made the message `calling` or `ringing`.
   * @param {Signaling} signaling
   * @param {function} changed called when there is something to show.
   */
  constructor(made, signaling, changed) {
    this.id = made.call;
    this.name = made.name;
    this.isCaller = made.type === "calling";
    this.relayed = made.relayed;
    this.masked = made.masked; // { you, they }
    this.state = "ringing";
    this.code = "";
    this.told = []; // what the other side got of us
    this.received = []; // what we got of the other side
    this.removed = new Map();
    this.remoteStream = new MediaStream();
    this.configuration = made.rtc_configuration;
    this.#signaling = signaling;
    this.#changed = changed;
  }

  get connection() {
    return this.#connection;
  }

  /** The caller's side, as soon as it rings. */
  start(media) {
    this.#media = media;
    return this.#inTurn(async () => {
      await this.#open();
      await this.#makeOffer();
    });
  }

  /** The callee's side, once it is accepted. */
  accept(media) {
    this.#media = media;
    return this.#inTurn(async () => {
      await this.#open();
      this.#nonce = makeNonce();
      const commitment = await commitTo(this.#nonce, await fingerprintOf(this.#certificate));
      this.#send("accept", { commitment });
    });
  }

  /** Both sides: the callee has accepted. */
  accepted({ commitment }) {
    return this.#inTurn(async () => {
      this.#isAccepted = true;
      this.state = "connecting";
      this.#commitment = commitment;
      if (this.isCaller) this.#describe();
    });
  }

  /** A description of the other side. */
  described({ kind, sdp }) {
    this.received.push(sdp);
    return this.#inTurn(async () => {
      await this.#connection.setRemoteDescription({ type: kind, sdp });
      if (kind === "offer") {
        await this.#connection.setLocalDescription();
        this.#describe();
        this.#send("reveal", { nonce: this.#nonce });
      }
      if (!this.isCaller) await this.#showCode();
    });
  }

  /** A candidate of the other side. */
  suggested({ candidate, mid, index }) {
    this.received.push(candidate);
    return this.#inTurn(async () => {
      // Without a description it is one of a connection that has been replaced.
      if (!this.#connection.remoteDescription) return;
      await this.#connection.addIceCandidate({ candidate, sdpMid: mid, sdpMLineIndex: index });
    });
  }

  /** What the callee's commitment was made of. */
  revealed({ nonce }) {
    return this.#inTurn(async () => {
      this.#nonce = nonce;
      await this.#showCode();
    });
  }

  /** Something of ours has been passed on, as it says; `removed` had to go. */
  passedOn({ sdp, candidate, removed }) {
    if (sdp ?? candidate) this.told.push(sdp ?? candidate);
    for (const { kind, count } of removed) {
      this.removed.set(kind, (this.removed.get(kind) ?? 0) + count);
    }
    this.#changed();
  }

  /**
   * Privacy has been switched on by either side: nothing but the relay from now on. It begins anew,
   * with the same certificate: after an ICE restart the direct path would carry media for a while.
   */
  tightened({ relayed, masked, rtc_configuration }) {
    this.relayed = relayed;
    this.masked = masked;
    this.configuration = rtc_configuration;
    return this.#inTurn(async () => {
      if (!this.#connection) return;
      this.#connection.close();
      if (this.#isAccepted) this.state = "connecting";
      for (const track of this.remoteStream.getTracks()) this.remoteStream.removeTrack(track);
      await this.#open();
      if (this.isCaller) await this.#makeOffer();
    });
  }

  /** Send this track's kind, or silence and black. */
  enable(kind, isOn) {
    for (const track of this.#media?.getTracks() ?? []) {
      if (track.kind === kind) track.enabled = isOn;
    }
  }

  close() {
    this.state = "ended";
    this.#connection?.close();
  }

  async #open() {
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    this.#certificate ??= await RTCPeerConnection.generateCertificate(algorithm);
    const configuration = { ...this.configuration, certificates: [this.#certificate] };
    const connection = new RTCPeerConnection(configuration);
    this.#connection = connection;
    this.#isDescribed = false;
    connection.onicecandidate = ({ candidate }) => candidate && this.#suggest(candidate);
    connection.onconnectionstatechange = () => this.#moved();
    connection.ontrack = ({ track }) => {
      this.remoteStream.addTrack(track);
      this.#changed();
    };
    const tracks = this.#media.getTracks();
    for (const track of tracks) connection.addTrack(track, this.#media);
    for (const kind of this.isCaller ? ["audio", "video"] : []) {
      const isSent = tracks.some((track) => track.kind === kind);
      if (!isSent) connection.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  async #makeOffer() {
    await this.#connection.setLocalDescription();
    if (this.#isAccepted) this.#describe();
  }

  /** Send our description with the candidates that it has by now; later ones follow one by one. */
  #describe() {
    const { type, sdp } = this.#connection.localDescription;
    this.#isDescribed = true;
    this.#send("description", { kind: type, sdp });
  }

  #suggest({ candidate, sdpMid, sdpMLineIndex }) {
    if (this.#isDescribed) {
      this.#send("candidate", { candidate, mid: sdpMid, index: sdpMLineIndex });
    }
  }

  async #showCode() {
    const { localDescription, remoteDescription } = this.#connection;
    const [own, theirs] = [localDescription, remoteDescription].map(({ sdp }) => fingerprintIn(sdp));
    const [caller, callee] = this.isCaller ? [own, theirs] : [theirs, own];
    const isKept = (await commitTo(this.#nonce, callee)) === this.#commitment;
    this.code = isKept ? await digitsOf(this.#nonce, caller, callee) : "";
    this.isForged = !isKept;
    this.#changed();
  }

  #moved() {
    const state = this.#connection.connectionState;
    if (state === "connected") this.state = "connected";
    if (state === "failed") this.state = "failed";
    this.#changed();
  }

  #send(type, fields) {
    this.#signaling.send(type, { call: this.id, ...fields });
  }

  /** One thing after the other, in the order in which they came; nothing after the end. */
  #inTurn(step) {
    this.#last = this.#last.then(async () => {
      if (this.state !== "ended") await step();
      this.#changed();
    });
    return this.#last;
  }
}
