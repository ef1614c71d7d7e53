// The page: signing in, people, and at most one call at a time.

import { Call } from "./call.js";
import * as panel from "./panel.js";
import * as people from "./people.js";
import { Signaling } from "./signaling.js";

const EVERY_MS = 1000;
const $ = (id) => document.getElementById(id);

let signaling = null;
let isConnecting = false;
let isPlacing = false;
let call = null;
let media = null;
let timer = 0;

const ENDS = {
  hung_up: "The call has ended.",
  declined: "The call was declined.",
  unanswered: "Nobody answered. Nothing has crossed between you.",
  ended: "The call has ended.",
  failed: "The call has failed. It did not fall back to a direct path.",
};

function say(text, tone = "") {
  $("status").textContent = text;
  $("status").dataset.tone = tone;
}

// Signing in

async function signIn(event) {
  event.preventDefault();
  if (isConnecting) return;
  isConnecting = true;
  try {
    signaling ??= await Signaling.open(handlers, lost);
  } catch {
    say("The signaling server does not answer.", "bad");
    return;
  } finally {
    isConnecting = false;
  }
  signaling.send("sign_in", { name: $("name").value, verified: $("verified").checked });
}

function lost() {
  signaling = null;
  end("The connection to the signaling server is gone. Sign in again.", "bad");
  for (const id of ["home", "who", "privacy-switch"]) $(id).hidden = true;
  $("sign-in").hidden = false;
}

// Calls

async function openMedia() {
  for (const wanted of [{ audio: true, video: { width: 640, height: 480 } }, { audio: true }]) {
    try {
      return await navigator.mediaDevices.getUserMedia(wanted);
    } catch {
      say("No camera or microphone, or no leave to use it: the other side will miss it.", "bad");
    }
  }
  return new MediaStream();
}

async function place(name) {
  if (isPlacing) return;
  if (call) {
    say("You are in a call.", "bad");
    return;
  }
  say(`Calling ${name}…`);
  isPlacing = true;
  const opened = await openMedia();
  if (call || !signaling) { // somebody has called meanwhile, or the server has gone
    isPlacing = false;
    stop(opened);
    return;
  }
  media = opened;
  signaling.send("call", { name });
}

function startTimer() {
  timer = setInterval(() => {
    signaling.send("statistics", { call: call.id });
    refresh();
  }, EVERY_MS);
}

async function answer() {
  $("incoming").close();
  const taken = call;
  const opened = await openMedia();
  if (call !== taken) {
    stop(opened);
    return;
  }
  stop(media); // that of a call which this one was quicker than
  media = opened;
  showStage();
  await guarded(call.accept(media));
}

function showStage() {
  for (const id of ["mute", "camera"]) $(id).setAttribute("aria-pressed", id === "camera");
  $("stage").hidden = $("sight").hidden = false;
  $("local-video").srcObject = media;
  $("remote-video").srcObject = call.remoteStream;
  $("stage-title").focus();
  startTimer();
}

function hangUp() {
  if (call) signaling.send("hang_up", { call: call.id });
}

function end(words, tone) {
  clearInterval(timer);
  call?.close();
  call = null;
  notPlaced();
  $("incoming").close();
  const wasFocused = $("stage").contains(document.activeElement);
  $("stage").hidden = $("sight").hidden = true;
  if (wasFocused) $("people-title").focus();
  panel.clear();
  for (const id of ["local-video", "remote-video"]) $(id).srcObject = null;
  showTitle();
  say(words, tone);
}

/** No call has come of it: the devices are let go of. */
function notPlaced() {
  isPlacing = false;
  stop(media);
  media = null;
}

function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

function showTitle() {
  document.title = signaling ? `${$("own-name").textContent} – callveil demo` : "callveil demo";
}

function showIncoming() {
  $("incoming-title").textContent = `${call.name} is calling`;
  $("incoming-text").textContent = incomingWords();
}

function incomingWords() {
  const { name, relayed, masked } = call;
  if (!relayed) return "Not a private call: if you accept, the two of you can see each other’s addresses.";
  if (!masked.you) return `${name} is masked: the call goes through the relay. If you accept, ${name} can see your address.`;
  return masked.they
    ? "A private call: it goes through the relay, and neither of you sees the other’s address."
    : `You are masked: the call goes through the relay, and ${name} does not see your address.`;
}

function badgeWords() {
  const { name, relayed, masked } = call;
  if (!relayed) return "Not private: direct if possible";
  if (!masked.you) return `${name} is masked, you are not`;
  return masked.they ? "Private: relayed" : `You are masked, ${name} is not`;
}

/** A step that the browser refuses ends the call: it does not go on half done. */
async function guarded(step) {
  const failing = call;
  try {
    await step;
  } catch (error) {
    if (call !== failing) return;
    say(`The browser refused: ${error.name}.`, "bad");
    hangUp();
  }
}

async function refresh() {
  if (!call) return;
  const veils = {
    ringing: call.isCaller ? `Ringing. Until ${call.name} accepts, nothing crosses.` : "",
    connecting: "Connecting…",
    failed: "No way through. The call does not fall back to another path.",
  };
  $("veil").textContent = veils[call.state] ?? "";
  $("stage-title").textContent = call.name;
  $("call-badge").textContent = badgeWords();
  $("call-badge").dataset.masked = call.masked.you;
  $("stage").dataset.state = call.state;
  await panel.show(call);
}

/** Hand a message to the call that it is about. */
function toCall(step) {
  return (message) => {
    if (call?.id === message.call) guarded(step(message));
  };
}

const handlers = {
  signed_in({ name, settings }) {
    $("own-name").textContent = name;
    people.showSettings(settings);
    $("sign-in").hidden = true;
    for (const id of ["home", "who", "privacy-switch"]) $(id).hidden = false;
    showTitle();
    say("");
    $("find-name").focus();
  },
  contacts({ contacts }) {
    people.showContacts(contacts, {
      call: place,
      relate: (name, facts) => signaling.send("relation", { name, ...facts }),
      message: (name) => signaling.send("message", { name }),
      acceptMessage: (name) => signaling.send("accept_message", { name }),
    });
  },
  sent: ({ name }) => say(`If ${name} is there, your message request has arrived.`),
  refused({ detail }) {
    if (!call) notPlaced();
    say(detail, "bad");
  },
  unavailable({ name }) {
    notPlaced();
    say(`${name} is not available.`);
  },
  calling(made) {
    isPlacing = false;
    call = new Call(made, signaling, () => refresh());
    showStage();
    refresh();
    say(`Calling ${made.name}…`);
    guarded(call.start(media));
  },
  ringing(made) {
    isPlacing = false;
    call = new Call(made, signaling, () => refresh());
    showIncoming();
    $("incoming").showModal();
    document.title = `${made.name} is calling`;
  },
  accepted: toCall((message) => {
    say(`In a call with ${call.name}.`);
    return call.accepted(message);
  }),
  description: toCall((message) => call.described(message)),
  candidate: toCall((message) => call.suggested(message)),
  reveal: toCall((message) => call.revealed(message)),
  passed_on: toCall(async (message) => call.passedOn(message)),
  tightened: toCall((message) => {
    say("Privacy is on: the call goes through the relay now.");
    const begun = call.tightened(message);
    showIncoming();
    return begun;
  }),
  statistics: toCall(async (message) => panel.showStatistics(call, message)),
  ended(message) {
    if (call?.id === message.call || !message.call) end(ENDS[message.why] ?? ENDS.ended);
  },
};

// Wiring

$("sign-in-form").addEventListener("submit", signIn);
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  signaling.send("relation", { name: $("find-name").value });
  $("find-name").value = "";
});
for (const place_ of [$("settings"), $("privacy-switch")]) {
  place_.addEventListener("change", () => signaling.send("settings", people.readSettings()));
}
$("settings").addEventListener("submit", (event) => event.preventDefault());
$("accept").addEventListener("click", answer);
$("decline").addEventListener("click", hangUp);
$("incoming").addEventListener("cancel", (event) => {
  event.preventDefault();
  hangUp();
});
$("hang-up").addEventListener("click", hangUp);
$("mute").addEventListener("click", () => {
  const isMuted = $("mute").getAttribute("aria-pressed") !== "true";
  $("mute").setAttribute("aria-pressed", isMuted);
  call?.enable("audio", !isMuted);
});
$("camera").addEventListener("click", () => {
  const isOn = $("camera").getAttribute("aria-pressed") !== "true";
  $("camera").setAttribute("aria-pressed", isOn);
  call?.enable("video", isOn);
});
