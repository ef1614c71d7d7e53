// What each side can see of the other: read from what was passed on, and from getStats.

const CANDIDATE = /candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ (\S+)(.*)/i;
const NOWHERE = new Set(["0.0.0.0", "::", ""]);

const KINDS = {
  relay: "an address of the relay",
  host: "an address of the device",
  srflx: "the public address of the network",
  prflx: "an address found while connecting",
  "c=": "in the connection line",
  raddr: "the address behind a candidate",
};

const REMOVED = {
  candidate_host: "addresses of your device",
  candidate_srflx: "public addresses of your network",
  candidate_prflx: "addresses found while connecting",
  candidate_tcp: "TCP candidates",
  candidate_mdns: "local names",
  candidate_detail: "details of candidates",
  origin: "origin of the description",
  connection: "connection lines",
  port: "ports",
  rtcp: "RTCP lines",
  candidate_relay: "addresses of no relay that is known",
  cname: "names of streams",
  stream_id: "ids of streams",
  attribute: "lines that are not needed",
  value: "values that are not needed",
  parameter: "parameters that are not needed",
};

/** Every address in descriptions and candidates, with what it is said to be. */
export function addressesIn(texts) {
  const found = new Map();
  const note = (address, kind) => NOWHERE.has(address) || found.set(address, kind);
  for (const line of texts.flatMap((text) => text.split(/\r?\n/))) {
    const parts = CANDIDATE.exec(line);
    if (parts) {
      const related = /raddr (\S+)/.exec(parts[5])?.[1] ?? "";
      if (!found.has(related)) note(related, "raddr");
      note(parts[2], parts[4]);
    } else if (/^(c=|a=rtcp:\d+ )IN IP[46] /.test(line)) {
      const address = line.split(" ").at(-1);
      if (!found.has(address)) note(address, "c=");
    }
  }
  return found;
}

/** What an address is, in words. */
export function wordsFor(address, kind) {
  return address.endsWith(".local") ? "a name in the local network, for this call" : KINDS[kind];
}

/** What was taken out, in words. */
export function removedWords(removed) {
  return [...removed].map(([kind, count]) => `${count} × ${REMOVED[kind] ?? kind.replaceAll("_", " ")}`);
}

/**
 * What is in use now.
 * @returns {Promise<object>} `local` and `remote` candidate, `pair`, `transport`, the fingerprints,
 *   and `framesDecoded` of the video that comes in; what is not there yet is undefined.
 */
export async function measure(connection) {
  const report = await connection.getStats();
  const all = [...report.values()];
  const transport = all.find((each) => each.type === "transport");
  const pair = report.get(transport?.selectedCandidatePairId) ?? all.find(isNominated);
  const video = all.find((each) => each.type === "inbound-rtp" && each.kind === "video");
  return {
    transport,
    pair,
    local: report.get(pair?.localCandidateId),
    remote: report.get(pair?.remoteCandidateId),
    ownFingerprint: report.get(transport?.localCertificateId)?.fingerprint,
    theirFingerprint: report.get(transport?.remoteCertificateId)?.fingerprint,
    framesDecoded: video?.framesDecoded ?? 0,
    framesPerSecond: video?.framesPerSecond ?? 0,
  };
}

function isNominated(each) {
  return each.type === "candidate-pair" && each.nominated && each.state === "succeeded";
}
