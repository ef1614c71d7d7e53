// A party in Node: `node node_peer.mjs PACKAGE`, told what to do over stdin, one JSON object a line.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import "./party.js";

const [, , name, modules] = process.argv;
const { RTCPeerConnection } = createRequire(`${modules}/`)(name);
const { party } = globalThis;

const doing = {
  open: ({ configuration }) => party.open(configuration, RTCPeerConnection),
  offer: () => party.offer(),
  answer: ({ sdp }) => party.answer(sdp),
  take_answer: ({ sdp }) => party.take_answer(sdp),
  state: () => party.state(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...more } = JSON.parse(line);
  let outcome;
  try {
    outcome = (await doing[what](more)) ?? {};
  } catch (fault) {
    outcome = { error: String(fault) };
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
process.exit(0);
