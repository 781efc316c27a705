// Requests to the server: the key goes along, every wait has a deadline, every failure becomes a sentence.

const REQUEST_TIMEOUT_S = 20;
const UPLOAD_TIMEOUT_S = 300;
// Longer than the server's own deadline for a model that has gone silent.
const STREAM_SILENCE_S = 90;

let apiKey = null;

/** Send this key from now on; returns the one that was sent before. */
export function useKey(key) {
  const before = apiKey;
  apiKey = key;
  return before;
}

/** A request that failed. `kind` is key, denied, unreachable, busy, or other. */
export class ApiError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export async function getJson(path) {
  return (await send("GET", path, undefined, REQUEST_TIMEOUT_S)).json();
}

export async function postJson(path, body) {
  return (await send("POST", path, JSON.stringify(body), REQUEST_TIMEOUT_S)).json();
}

/** Upload a form with a file in it. */
export async function postForm(path, form) {
  return (await send("POST", path, form, UPLOAD_TIMEOUT_S)).json();
}

/**
 * POST and yield the data of each server-sent event as an object.
 * Ends early without an error when `signal` is aborted; raises ApiError when the server falls silent.
 */
export async function* postStream(path, body, signal) {
  const silence = new AbortController();
  const stop = () => silence.abort();
  signal.addEventListener("abort", stop);
  let timer = setTimeout(stop, STREAM_SILENCE_S * 1000);
  try {
    const response = await request("POST", path, JSON.stringify(body), silence.signal);
    for await (const text of events(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(stop, STREAM_SILENCE_S * 1000);
      if (text === "[DONE]") return;
      yield JSON.parse(text);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (silence.signal.aborted) throw new ApiError("unreachable", `Nothing arrived for ${STREAM_SILENCE_S} seconds.`);
    throw error instanceof ApiError ? error : new ApiError("unreachable", "The connection broke off.");
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    silence.abort();
  }
}

/** The data of each event: lines that begin with "data:", joined, up to an empty line. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
      if (line === "" && data.length > 0) {
        yield data.join("\n");
        data = [];
      }
    }
  }
}

function send(method, path, body, timeoutS) {
  return request(method, path, body, AbortSignal.timeout(timeoutS * 1000));
}

async function request(method, path, body, signal) {
  const headers = { Authorization: `Bearer ${apiKey ?? ""}` };
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (error.name === "TimeoutError") throw new ApiError("unreachable", "Mainstay did not answer in time.");
    if (error.name === "AbortError") throw error;
    throw new ApiError("unreachable", "Mainstay does not answer. Is it running?");
  }
  if (response.ok) return response;
  throw new ApiError(kindOf(response.status), await sentence(response));
}

function kindOf(status) {
  return { 401: "key", 403: "denied", 429: "busy", 503: "busy" }[status] ?? "other";
}

/** The server's own sentence about an error; it says what was wrong and what to do. */
async function sentence(response) {
  const wait = response.headers.get("Retry-After");
  const then = wait && /^\d+$/.test(wait) ? ` Try again in ${wait} seconds.` : "";
  try {
    const { error } = await response.json();
    if (error?.message) return error.message + then;
  } catch {
    // The body was not ours; the status has to do.
  }
  return `The server answered with status ${response.status}.${then}`;
}
