from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.control.gateway.providers.minilm.build import build_graph
from mainstay.control.gateway.providers.minilm.runtime import Session
from mainstay.samples import SAMPLES


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def model(models: Path) -> Iterator[MiniLm]:
    loaded = MiniLm(models, threads=2)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def float32_session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    path = tmp_path_factory.mktemp("float32") / "model.onnx"
    build_graph(path, quantised=False)
    return Session(path)


@pytest.fixture(scope="session")
def paragraphs() -> list[str]:
    """Real prose of many lengths: the paragraphs of the Markdown samples."""
    pages = [path.read_text("utf-8") for path in sorted(SAMPLES.rglob("*.md"))]
    return [paragraph for page in pages for paragraph in page.split("\n\n") if paragraph.strip()] + pages
