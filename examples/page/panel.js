// Shows what is seen: the path, both sides' sight of each other, encryption, the relay's statistics.

import { addressesIn, measure, removedWords, wordsFor } from "./sight.js";

const $ = (id) => document.getElementById(id);

/** Everything that the panel shows of a call, as of now. */
export async function show(call) {
  for (const each of document.querySelectorAll("#sight [data-other]")) each.textContent = call.name;
  const seen = call.connection ? await measure(call.connection) : {};
  if (call.state === "ended") return;
  showPath(call, seen);
  showSight(call, seen);
  showEncryption(call, seen);
}

/** What the relay has counted. */
export function showStatistics(call, { you, they }) {
  const rows = [["You", you], [call.name, they]].map(([name, leg]) => {
    const cells = [leg.transport?.toUpperCase() ?? "–", leg.path ?? "–", leg.packets];
    return [name, ...cells, Math.round(leg.bytes / 1000), leg.dropped];
  });
  const body = $("statistics").tBodies[0];
  body.replaceChildren(...rows.map(([name, ...cells]) => {
    const row = document.createElement("tr");
    const head = make("th", name);
    head.scope = "row";
    row.append(head, ...cells.map((cell) => make("td", cell)));
    return row;
  }));
}

/** Forget the last call: what it showed is not kept in the page. */
export function clear() {
  const lists = ["seen-of-you-list", "seen-of-them-list", "path-nodes", "encryption", "fingerprints"];
  for (const id of lists) $(id).replaceChildren();
  for (const id of ["seen-of-you", "seen-of-them", "path-text", "removed", "code"]) $(id).textContent = "";
  $("path").dataset.path = "none";
  $("statistics").tBodies[0].replaceChildren();
}

function showPath(call, { local, remote, pair }) {
  const isRelayed = isRelay(local) || isRelay(remote);
  const path = pair && call.state === "connected" ? (isRelayed ? "relay" : "direct") : "none";
  if ($("path").dataset.path !== path || $("path-nodes").childElementCount === 0) {
    $("path").dataset.path = path;
    $("path-nodes").replaceChildren(...nodes(call, path, [local, remote].find(isRelay) ?? local));
  }
  $("path-text").textContent = pathWords(call, path, { local, remote, pair });
}

const isRelay = (candidate) => candidate?.candidateType === "relay";

function nodes(call, path, shown) {
  const link = () => Object.assign(document.createElement("li"), { className: "link", ariaHidden: true });
  const relay = make("li", "Relay");
  relay.className = "relay";
  if (shown) relay.append(make("small", shown.address ?? ""));
  const isThrough = path === "relay" || (path === "none" && call.relayed);
  const between = isThrough ? [link(), relay, link()] : [link()];
  return [make("li", "You"), ...between, make("li", call.name)];
}

function pathWords(call, path, { local, remote, pair }) {
  if (path === "none") return "No media flows yet.";
  const ms = pair.currentRoundTripTime === undefined ? "" : `, ${Math.round(pair.currentRoundTripTime * 1000)} ms there and back`;
  const ends = `${place(local)} and ${place(remote)}`;
  if (path === "direct") return `Directly between ${ends}${ms}.`;
  if (isRelay(local) && isRelay(remote)) return `Through the relay, between its addresses ${ends}${ms}.`;
  return isRelay(local)
    ? `From ${place(remote)}, which is ${call.name}’s own, to the relay’s ${place(local)}${ms}.`
    : `From ${place(local)}, which is your own, to the relay’s ${place(remote)}${ms}.`;
}

function place(candidate) {
  if (!candidate?.address) return "an address that the browser does not show";
  const host = candidate.address.includes(":") ? `[${candidate.address}]` : candidate.address;
  return `${host}:${candidate.port}`;
}

function showSight(call, { local, remote }) {
  const ofYou = addressesIn(call.told);
  const ofThem = addressesIn(call.received);
  if (local?.address && !ofYou.has(local.address)) ofYou.set(local.address, local.candidateType);
  if (remote?.address && !ofThem.has(remote.address)) ofThem.set(remote.address, remote.candidateType);
  list("seen-of-you", ofYou, {
    none: "Nothing yet: no description of yours has been passed on.",
    relayed: "No address of yours, only the relay’s.",
    own: call.masked.you
      ? "Where you are: your own address was passed on before privacy was on."
      : "Where you are: your own address is among these.",
  });
  list("seen-of-them", ofThem, {
    none: "Nothing yet: no description of theirs has come.",
    relayed: "No address of theirs, only the relay’s.",
    own: call.masked.they
      ? "Where they are: their own address came before privacy was on."
      : "Where they are: their own address is among these.",
  });
  const removed = removedWords(call.removed);
  $("removed").textContent = removed.length ? `Taken out before it was passed on: ${removed.join(", ")}.` : "";
}

function list(id, addresses, words) {
  const kinds = [...addresses.values()];
  const verdict = kinds.length === 0 ? "none" : kinds.every((kind) => kind === "relay") ? "relayed" : "own";
  $(id).textContent = words[verdict];
  $(id).dataset.tone = { none: "", relayed: "good", own: "warn" }[verdict];
  $(id).dataset.verdict = verdict;
  $(`${id}-list`).replaceChildren(...[...addresses].map(([address, kind]) => {
    const item = document.createElement("li");
    item.append(make("code", address), make("span", wordsFor(address, kind)));
    return item;
  }));
}

function showEncryption(call, { transport, ownFingerprint, theirFingerprint }) {
  $("code").textContent = call.isForged ? "The two certificates do not fit: somebody may sit in between." : call.code || "––– –––";
  $("code").dataset.tone = call.isForged ? "bad" : "";
  define("encryption", [
    ["Keys", transport?.dtlsState === "connected" ? "made by the two of you" : "not yet"],
    ["DTLS", transport?.dtlsCipher],
    ["Media", transport?.srtpCipher],
  ]);
  define("fingerprints", [
    ["Yours", ownFingerprint],
    [`Of ${call.name}`, theirFingerprint],
  ]);
}

function define(id, rows) {
  $(id).replaceChildren(...rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
}

function make(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}
