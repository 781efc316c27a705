// Files that are dropped or chosen: each is uploaded and handed to the open store, a few at a time.

import { ApiError, postForm, postJson } from "./api.js";
import { byId, show } from "./dom.js";
import { addDocumentBody, paths } from "./shapes.js";

const AT_A_TIME = 3;
const FILES_MAX = 500;

export function watchUploads(library) {
  byId("files").addEventListener("change", (event) => {
    addFiles(library, [...event.target.files]);
    event.target.value = "";
  });
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !byId("key-dialog").open;
  const veil = (visible) => {
    byId("drop-store").textContent = library.store?.name ?? "a new store";
    show(byId("drop-veil"), visible);
  };
  // Enter and leave fire for every child as well, so they are counted.
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    veil(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && (depth -= 1) <= 0) veil(false);
  });
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil(false);
    addFiles(library, filesOf(event.dataTransfer));
  });
}

/** The files of a drop. A folder comes as an entry without bytes: it is listed with what to do instead. */
function filesOf(transfer) {
  return [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => (item.webkitGetAsEntry?.()?.isDirectory ? { folder: item.getAsFile()?.name ?? "folder" } : item.getAsFile()))
    .filter(Boolean);
}

async function addFiles(library, files) {
  const rows = files.slice(0, FILES_MAX).map((file) => ({ file, filename: file.folder ?? file.name, state: "uploading" }));
  if (files.length > FILES_MAX) {
    const reason = `Only ${FILES_MAX} files go in at once. For more, use: mainstay ingest FOLDER`;
    rows.push({ filename: `${files.length - FILES_MAX} more files`, state: "refused", reason });
  }
  for (const row of rows) askIfKnown(library, row);
  library.uploads = [...rows, ...library.uploads.filter((row) => row.state !== "refused")];
  library.render();
  await uploadAll(library, rows.filter((row) => row.state === "uploading"));
}

/** A file with the name of a document may be its next version or another document: only the person knows. */
function askIfKnown(library, row) {
  const known = row.state === "uploading" ? library.named(row.filename) : [];
  if (known.length !== 1) return;
  const go = (externalId) => () => {
    Object.assign(row, { state: "uploading", externalId, choices: [] });
    library.render();
    uploadAll(library, [row]);
  };
  row.state = "asking";
  row.reason = "A document of this name is here.";
  const leave = () => {
    library.uploads = library.uploads.filter((other) => other !== row);
    library.render();
  };
  row.choices = [["New version", go(known[0].externalId)], ["Another document", go(null)], ["Leave it", leave]];
}

async function uploadAll(library, rows) {
  const waiting = [...rows];
  const worker = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) await upload(library, row);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

async function upload(library, row) {
  try {
    if (row.file.folder) throw new ApiError("other", "A folder cannot be dropped here. Use: mainstay ingest FOLDER");
    const storeId = await storeOnce(library);
    const form = new FormData();
    form.append("purpose", "assistants");
    form.append("file", row.file, row.file.name);
    const { id } = await postForm(paths.files, form);
    await postJson(paths.addDocument(storeId), addDocumentBody(id, row.externalId));
    library.uploads = library.uploads.filter((other) => other !== row);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    row.state = "refused";
    row.reason = error.message;
  }
  await library.refresh();
  library.render();
}

// Several first files at once must not make several stores.
let making = null;

function storeOnce(library) {
  making ??= library.storeForUpload().finally(() => (making = null));
  return making;
}
