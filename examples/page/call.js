// One call: its RTCPeerConnection, and what the two pages tell each other.
//
// The caller makes every offer. While the call rings, both sides connect to the relay, so that the
// call starts at once; nothing of either description leaves its page before the call is accepted.

import { commitTo, digitsOf, fingerprintIn, fingerprintOf, makeNonce } from "./code.js";

export class Call {
  #signaling;
  #connection = null;
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
    return this.#inTurn(async () => {
      await this.#open(media);
      await this.#makeOffer();
    });
  }

  /** The callee's side, once it is accepted. */
  accept(media) {
    return this.#inTurn(async () => {
      const certificate = await this.#open(media);
      this.#nonce = makeNonce();
      const commitment = await commitTo(this.#nonce, await fingerprintOf(certificate));
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
    return this.#inTurn(() =>
      this.#connection.addIceCandidate({ candidate, sdpMid: mid, sdpMLineIndex: index }),
    );
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

  /** Privacy has been switched on by either side: nothing but the relay from now on. */
  tightened({ relayed, rtc_configuration }) {
    this.relayed = relayed;
    this.configuration = rtc_configuration;
    return this.#inTurn(async () => {
      if (!this.#connection) return;
      this.#connection.setConfiguration(this.#withCertificate());
      if (this.isCaller) await this.#makeOffer({ iceRestart: true });
    });
  }

  /** Send this track's kind, or silence and black. */
  enable(kind, isOn) {
    for (const { track } of this.#connection?.getSenders() ?? []) {
      if (track?.kind === kind) track.enabled = isOn;
    }
  }

  close() {
    this.state = "ended";
    this.#connection?.close();
  }

  async #open(media) {
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    this.certificate = await RTCPeerConnection.generateCertificate(algorithm);
    const connection = new RTCPeerConnection(this.#withCertificate());
    this.#connection = connection;
    connection.onicecandidate = ({ candidate }) => candidate && this.#suggest(candidate);
    connection.onconnectionstatechange = () => this.#moved();
    connection.ontrack = ({ track }) => {
      this.remoteStream.addTrack(track);
      this.#changed();
    };
    for (const track of media.getTracks()) connection.addTrack(track, media);
    if (this.isCaller) {
      for (const kind of ["audio", "video"]) {
        const isSent = media.getTracks().some((track) => track.kind === kind);
        if (!isSent) connection.addTransceiver(kind, { direction: "recvonly" });
      }
    }
    return this.certificate;
  }

  #withCertificate() {
    return { ...this.configuration, certificates: [this.certificate] };
  }

  async #makeOffer(options = {}) {
    this.#isDescribed = false;
    await this.#connection.setLocalDescription(await this.#connection.createOffer(options));
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
