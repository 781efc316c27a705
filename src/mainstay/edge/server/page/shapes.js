// The one place that knows the names of the API's fields. Everything else on the page speaks the words on the left.

export const paths = {
  ask: "/v1/responses",
  files: "/v1/files",
  stores: "/v1/vector_stores?limit=100",
  newStore: "/v1/vector_stores",
  documents: (storeId, after) =>
    `/v1/vector_stores/${encodeURIComponent(storeId)}/files?limit=100&order=desc` +
    (after ? `&after=${encodeURIComponent(after)}` : ""),
  addDocument: (storeId) => `/v1/vector_stores/${encodeURIComponent(storeId)}/files`,
  receipt: (answerId) => `/v1/answers/${encodeURIComponent(answerId)}/receipt`,
};

/** The body of POST /v1/responses. */
export function askBody(question, storeId, previousAnswerId) {
  const body = {
    model: "assistant/default",
    input: question,
    stream: true,
    tools: [{ type: "file_search", vector_store_ids: [storeId] }],
  };
  if (previousAnswerId) body.previous_response_id = previousAnswerId;
  return body;
}

/** The body of POST /v1/vector_stores/{id}/files; with an external id the file becomes a version of that document. */
export function addDocumentBody(fileId, externalId) {
  return externalId ? { file_id: fileId, external_id: externalId } : { file_id: fileId };
}

/** What one server-sent event means: {kind, ...}; kind is null for events the page has no use for. */
export function readEvent(event) {
  switch (event.type) {
    case "response.created":
      return { kind: "created", answerId: event.response?.id };
    case "response.file_search_call.searching":
    case "response.file_search_call.in_progress":
      return { kind: "searching" };
    case "response.file_search_call.completed":
      return { kind: "searched" };
    case "response.output_text.delta":
      return { kind: "text", text: event.delta ?? "" };
    case "response.output_text.annotation.added":
      return event.annotation?.type === "file_citation"
        ? { kind: "citation", citation: readCitation(event.annotation) }
        : { kind: null };
    case "response.completed":
    case "response.incomplete":
      return { kind: "finished", answerId: event.response?.id, refused: event.response?.answered === false };
    case "response.failed":
      return { kind: "failed", message: event.response?.error?.message };
    case "error":
      return { kind: "failed", message: event.message ?? event.error?.message };
    default:
      return { kind: null };
  }
}

/** A citation; `index` is the place in the answer and `quoteStart` the place in the passage, both in code points. */
export function readCitation(wire) {
  return {
    index: wire.index ?? null,
    filename: wire.filename ?? "a document",
    quote: wire.quote ?? "",
    passage: wire.passage ?? wire.quote ?? "",
    quoteStart: wire.quote_start ?? null,
    page: wire.page ?? null,
    headingPath: readHeadingPath(wire.heading_path),
    version: wire.document_version ?? null,
    documentId: wire.document_id ?? null,
    chunkId: wire.chunk_id ?? null,
    startChar: wire.start_char ?? null,
  };
}

// JSON keeps no order; this is the one in which the stages run.
const STAGES = ["embed", "search", "generate", "verify", "settle"];

/** A receipt, with its stages in the order in which they ran and the total apart from them. */
export function readReceipt(wire) {
  const { total, ...stages } = wire.stages_ms ?? {};
  const place = (name) => (STAGES.includes(name) ? STAGES.indexOf(name) : STAGES.length);
  const stageList = Object.entries(stages)
    .filter(([, ms]) => typeof ms === "number")
    .sort(([one], [other]) => place(one) - place(other));
  return {
    answerId: wire.answer_id ?? "",
    requestId: wire.request_id ?? "",
    question: wire.question ?? "",
    createdAt: readTime(wire.created_at),
    prompt: wire.prompt ? `${wire.prompt.name}, version ${wire.prompt.version}` : "",
    model: wire.model ?? "",
    provider: wire.provider ?? "",
    storeIds: wire.store_ids ?? [],
    stages: stageList.map(([name, ms]) => ({ name, ms })),
    totalMs: total ?? stageList.reduce((sum, [, ms]) => sum + ms, 0),
    inputTokens: wire.usage?.input_tokens ?? 0,
    outputTokens: wire.usage?.output_tokens ?? 0,
    costNanos: wire.cost_usd_nanos ?? 0,
    passages: (wire.passages ?? []).map(readPassage),
    cut: (wire.cut ?? []).map(readPassage),
    sourceChanged: wire.source_changed === true,
    wire,
  };
}

const CUT_REASONS = { below_rank: "others ranked higher", context_full: "there was no room left for it" };

function readPassage(wire) {
  return {
    number: wire.number ?? null,
    filename: wire.filename ?? "a document",
    page: wire.page ?? null,
    headingPath: readHeadingPath(wire.heading_path),
    version: wire.document_version ?? null,
    chunkId: wire.chunk_id ?? null,
    chunkSha256: wire.chunk_sha256 ?? "",
    lexical: { score: wire.lexical_score ?? null, rank: wire.lexical_rank ?? null },
    vector: { score: wire.vector_score ?? null, rank: wire.vector_rank ?? null },
    fused: { score: wire.fused_score ?? null, rank: wire.rank ?? null },
    cited: wire.cited === true,
    sourceState: wire.source_state ?? "current",
    reason: CUT_REASONS[wire.reason] ?? wire.reason ?? "",
    text: wire.text ?? "",
  };
}

/** A store, with how many of its documents are in which state. */
export function readStore(wire) {
  const counts = wire.file_counts ?? {};
  return {
    id: wire.id,
    name: wire.name || wire.id,
    ready: counts.completed ?? 0,
    inProgress: counts.in_progress ?? 0,
    failed: (counts.failed ?? 0) + (counts.cancelled ?? 0),
    total: counts.total ?? 0,
  };
}

// Reasons that may be gone at the next try; the others lie in the file.
const RETRYABLE = ["ingest_failed", "timeout"];

/** A document of a store; `state` is ready, reading or failed. */
export function readDocument(wire) {
  const states = { completed: "ready", in_progress: "reading" };
  return {
    id: wire.id,
    filename: wire.filename ?? wire.id,
    state: states[wire.status] ?? "failed",
    reason: wire.last_error?.message ?? (wire.status === "cancelled" ? "Reading was cancelled." : ""),
    retryable: RETRYABLE.includes(wire.last_error?.code) || wire.status === "cancelled",
    externalId: wire.external_id ?? null,
    bytes: wire.bytes ?? null,
    pages: wire.page_count ?? null,
    passages: wire.chunk_count ?? null,
    version: wire.version ?? null,
  };
}

/** A page of a list: its rows and where the next one begins, or null at the end. */
export function readList(wire, readRow) {
  const rows = (wire.data ?? []).map(readRow);
  return { rows, after: wire.has_more ? (wire.last_id ?? rows.at(-1)?.id ?? null) : null };
}

function readHeadingPath(wire) {
  if (Array.isArray(wire)) return wire.filter(Boolean);
  return wire ? String(wire).split(" > ") : [];
}

function readTime(wire) {
  if (wire === null || wire === undefined) return null;
  return typeof wire === "number" ? new Date(wire * 1000) : new Date(wire);
}
