"""The prompts, as data: one Markdown file each, with front matter that names it and a body that is a template.

Values given to a template are data: nothing in them is executed, and a passage cannot close the tags it stands in.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from minijinja import Environment, TemplateError

from mainstay.kernel.errors import NotFound, invariant

# About 30 units are spent on a passage; a template that loops for ever stops here.
RENDER_FUEL = 100_000
_FRONT_MATTER = re.compile(r"---\n(?P<head>.*?)\n---\n(?P<body>.*)", re.DOTALL)
_OUR_TAG = re.compile(r"<(?=\s*/?\s*(?:passages?|instructions)\b)", re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class PromptFailed(Exception):
    """A template asks for a value that it was not given, or does not end; a fault of ours, never of a user."""


@dataclass(frozen=True)
class Prompt:
    """A prompt of one version; `digest` is the SHA-256 of its file, so that no edit hides behind a version."""

    name: str
    version: str
    purpose: str
    digest: str
    template: str

    def render(self, **values: object) -> str:
        """Return the prompt with `values` in it; raises PromptFailed where one is missing."""
        environment = Environment(
            filters={"untrusted": untrusted},
            fuel=RENDER_FUEL,
            debug=False,
            undefined_behavior="strict",
            auto_escape_callback=lambda _: False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        try:
            return environment.render_str(self.template, self.name, **values)
        except TemplateError as error:
            raise PromptFailed(
                f"The prompt '{self.name}' version {self.version} cannot be rendered: {error}"
            ) from error


def untrusted(text: str) -> str:
    """Return `text` so that no tag of ours can begin or end inside it; it stays as readable as it was."""
    return _OUR_TAG.sub("‹", text)


@cache
def load_prompt(name: str) -> Prompt:
    """Return the prompt of the file `<name>.md`; raises NotFound where there is none."""
    file = files(__name__).joinpath(f"{name}.md")
    if not _NAME.fullmatch(name) or not file.is_file():
        raise NotFound(f"There is no prompt called '{name}'.", param="prompt")
    text = file.read_text("utf-8")
    parts = _FRONT_MATTER.fullmatch(text)
    invariant(parts is not None, f"the prompt '{name}' has no front matter between lines of ---")
    head = dict(line.split(": ", 1) for line in parts["head"].splitlines()) if parts else {}
    invariant(
        head.keys() == {"name", "version", "purpose"} and head["name"] == name,
        f"the front matter of the prompt '{name}' must have its name, version and purpose, and nothing else",
    )
    body = parts["body"] if parts else ""
    return Prompt(name, head["version"], head["purpose"], sha256(text.encode()).hexdigest(), body)
