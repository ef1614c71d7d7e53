// The six digits that both sides compare, made of the certificates that the call is encrypted with.
//
// Whoever sits in between has certificates of their own, and so the two sides see different digits.
// Six digits alone could be forged by trying a million certificates. That is why the callee commits
// itself to its certificate before it has seen the caller's, and the caller shows its own before it
// has seen the callee's: who sits in between has one guess.

const ENCODER = new TextEncoder();

/** The SHA-256 fingerprint in a description, as it stands there. */
export function fingerprintIn(sdp) {
  return /^a=fingerprint:sha-256 ([0-9A-F:]+)\s*$/im.exec(sdp)?.[1].toUpperCase() ?? "";
}

/** The fingerprint of a certificate that no description has been made with yet. */
export async function fingerprintOf(certificate) {
  const probe = new RTCPeerConnection({ certificates: [certificate] });
  probe.createDataChannel("");
  const { sdp } = await probe.createOffer();
  probe.close();
  return fingerprintIn(sdp);
}

/** 128 random bits, in hexadecimal. */
export function makeNonce() {
  return hex(crypto.getRandomValues(new Uint8Array(16)));
}

/** What the callee says before the caller shows its certificate. */
export async function commitTo(nonce, calleeFingerprint) {
  return hex(await digest(`callveil commitment ${nonce} ${calleeFingerprint}`));
}

/** The digits, in two groups. */
export async function digitsOf(nonce, callerFingerprint, calleeFingerprint) {
  const bytes = await digest(`callveil code ${nonce} ${callerFingerprint} ${calleeFingerprint}`);
  const number = new DataView(bytes.buffer).getUint32(0) % 1_000_000;
  const digits = String(number).padStart(6, "0");
  return `${digits.slice(0, 3)} ${digits.slice(3)}`;
}

async function digest(text) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", ENCODER.encode(text)));
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
