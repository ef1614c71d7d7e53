// What a signaling server does for one call, from the invitation to the end:
// `node examples/node/one_call.mjs [URL of the API]`, beside `make run`.

import { Callveil, CallveilError } from "./callveil.mjs";

const API = process.argv[2] ?? "http://127.0.0.1:8080";
const callveil = new Callveil(API, process.env.CALLVEIL_API_TOKEN);

/** What Alice's browser would write; the relay takes her address out of it. */
const OFFER = [
  "v=0",
  "o=- 1 2 IN IP4 198.51.100.20",
  "s=-",
  "t=0 0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "c=IN IP4 198.51.100.20",
  "a=mid:0",
  "a=ice-ufrag:F7gI",
  "a=ice-pwd:x9cml/YzichV2+XlhiMu8g",
  `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`,
  "a=setup:actpass",
  "a=rtpmap:111 opus/48000/2",
  "a=candidate:1 1 udp 2122260223 198.51.100.20 40000 typ host",
  "",
].join("\r\n");

async function main() {
  const { allowed } = await callveil.decidePermission({
    relationship: { callee_follows_caller: true },
  });
  if (!allowed) return console.log("Bob is not available");

  const parties = [{ id: "alice", enhanced_call_privacy: true }, { id: "bob" }];
  const call = await callveil.createCall(parties);
  console.log(`${call.state}, masked: ${call.masked.join(", ")}`);
  try {
    // Each party gets its own `rtc_configuration`, for `new RTCPeerConnection(…)`.
    for (const [name, party] of Object.entries(call.parties)) {
      console.log(`${name} is told to use ${party.rtc_configuration.iceTransportPolicy}`);
    }
    const { state } = await callveil.acceptCall(call.id); // Bob picks up
    console.log(state);
    const { sdp, removed } = await callveil.rebuildDescription(call.id, "alice", OFFER);
    console.log(`Bob is told ${sdp.includes("198.51.100.20") ? "her address" : "no address of hers"}`);
    console.log(`removed: ${removed.map((each) => each.kind).join(", ")}`);
  } finally {
    await callveil.endCall(call.id);
  }
  console.log((await callveil.showCall(call.id)).state);
}

main().catch((error) => {
  if (!(error instanceof CallveilError)) throw error;
  console.error(`${error.message} (${error.kind || "no answer"})`);
  process.exitCode = 1;
});
