// callveil's HTTP API for a signaling server in Node 18 or newer: one method, one request, nothing
// but `fetch`. docs/api.md says what each body means. Copy this file into your server.
//
// Rules of this file: whatever goes wrong is a CallveilError. The token is sent to the URL that was
// given and nowhere else, so no redirect is followed, and it is in no message.

const TIMEOUT_MS = 10_000;

/** The API refused (`status` and `kind` say how), or did not answer (`status` is 0). */
export class CallveilError extends Error {
  constructor(message, { status = 0, kind = "", call = "" } = {}) {
    super(message);
    this.name = "CallveilError";
    Object.assign(this, { status, kind, call });
  }
}

export class Callveil {
  #url;
  #token;

  /** `url` is `http://host:port`; `token` is one of `api.tokens`, empty where the API has none. */
  constructor(url, token = "") {
    this.#url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  /** `parties` is `[{id, enhanced_call_privacy}, …]`, the caller first; `more` as in docs/api.md. */
  createCall(parties, more = {}) {
    return this.#ask("POST", "/v1/calls", { parties, ...more });
  }

  /** Media may cross from now on. `answered` is `{party}` if several devices rang. */
  acceptCall(call, answered) {
    return this.#ask("POST", path(call, "accept"), answered);
  }

  showCall(call) {
    return this.#ask("GET", path(call));
  }

  /** All calls that ring or are active: `for await (const call of callveil.listCalls())`. */
  async *listCalls() {
    for (let after = 0; after !== null; ) {
      const { calls, next } = await this.#ask("GET", `/v1/calls?after=${after}`);
      yield* calls;
      after = next;
    }
  }

  /** `changes` is `{parties, max_duration_s}`; privacy can only be switched on. */
  changeCall(call, changes) {
    return this.#ask("PATCH", path(call), changes);
  }

  endCall(call) {
    return this.#ask("DELETE", path(call));
  }

  endParty(call, party) {
    return this.#ask("DELETE", path(call, "parties", party));
  }

  /** Where `relay.peers` is not `call`. `forSeconds` is `auth.revocation_s` unless you say another. */
  revokeUser(name, forSeconds) {
    const asked = forSeconds === undefined ? "" : `?for_s=${forSeconds}`;
    return this.#ask("DELETE", `/v1/users/${encodeURIComponent(name)}${asked}`);
  }

  /** In ports mode: `known` is `{ice}` or `{address}` of the party. */
  setEndpoint(call, party, known) {
    return this.#ask("POST", path(call, "endpoint"), { ...known, party });
  }

  rebuildDescription(call, party, sdp) {
    return this.#ask("POST", path(call, "description"), { from: party, sdp });
  }

  /** `candidate` is what `RTCIceCandidate.toJSON()` made in the party's browser. */
  rebuildCandidate(call, party, candidate) {
    return this.#ask("POST", path(call, "candidate"), { ...candidate, from: party });
  }

  /** Who may call whom: `facts` is `{relationship, settings}`. */
  decidePermission(facts) {
    return this.#ask("POST", "/v1/permission", facts);
  }

  status() {
    return this.#ask("GET", "/v1/status");
  }

  async #ask(method, where, body) {
    const headers = { Accept: "application/json" };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response, text;
    try {
      response = await fetch(this.#url + where, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch {
      throw new CallveilError("The relay does not answer.");
    }
    const document = parsed(text);
    if (!response.ok) throw refusal(response.status, document);
    if (text && document === null) throw new CallveilError("The answer is not JSON.");
    return document;
  }
}

/** The path of a call. Names are percent-encoded; `.` and `..` alone `fetch` cannot send. */
function path(...names) {
  return ["/v1/calls", ...names.map(encodeURIComponent)].join("/");
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A problem (RFC 9457) as an error. */
function refusal(status, problem) {
  const { type = "", title, detail, call } = problem ?? {};
  const message = detail || title || `The relay refuses (${status}).`;
  return new CallveilError(message, { status, kind: String(type).split(":").pop(), call: call ?? "" });
}
