"""The page keeps its promises about itself: nothing from elsewhere, nothing inline, no text read as HTML."""

import re
from html.parser import HTMLParser
from pathlib import Path

from mainstay.edge import server

PAGE = Path(server.__file__).parent / "page"
# The one address in the page: a name space, never fetched.
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
# Ways to turn text into markup or code. Answers, file names and documents are all untrusted.
SINKS = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "srcdoc",
    "javascript:",
)


class PageParser(HTMLParser):
    """Collects what the page refers to, its ids, and what a content policy of `default-src 'self'` forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.references += [
            value for name in ("href", "src") if (value := given.get(name)) and not value.startswith("#")
        ]
        self.ids += [value for value in (given.get("id"),) if value]
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.inline.append(tag)


def page_files(*endings: str) -> dict[str, str]:
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.iterdir()) if path.suffix in endings}
    assert files, f"no {endings} in {PAGE}"
    return files


def parsed_index() -> PageParser:
    parser = PageParser()
    parser.feed((PAGE / "index.html").read_text(encoding="utf-8"))
    return parser


def test_index_refers_only_to_files_of_the_page() -> None:
    references = parsed_index().references
    assert len(references) >= 3
    assert [name for name in references if not (name.startswith("/page/") and (PAGE / Path(name).name).is_file())] == []


def test_index_has_nothing_inline() -> None:
    parser = parsed_index()
    assert parser.ids, "the parser saw the page"
    assert parser.inline == []


def test_ids_are_unique_and_those_the_scripts_ask_for_exist() -> None:
    ids = parsed_index().ids
    assert len(set(ids)) == len(ids)
    asked = {name for text in page_files(".js").values() for name in re.findall(r'byId\("([^"]+)"\)', text)}
    assert len(asked) > 10
    assert asked - set(ids) == set()


def test_scripts_import_what_their_neighbours_export() -> None:
    scripts = page_files(".js")
    exported = {
        name: set(re.findall(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", text, re.MULTILINE))
        for name, text in scripts.items()
    }
    imports = [
        (name, source, word.strip())
        for name, text in scripts.items()
        for words, source in re.findall(r'^import \{([^}]+)\} from "\./([^"]+)";', text, re.MULTILINE)
        for word in words.split(",")
    ]
    assert len(imports) > 30
    assert [each for each in imports if each[2] not in exported.get(each[1], set())] == []


def test_every_script_is_reached_from_the_page() -> None:
    scripts = page_files(".js")
    reached, waiting = set[str](), ["page.js"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += re.findall(r'from "\./([^"]+)"', scripts[name])
    assert reached == set(scripts)


def test_scripts_never_read_text_as_html_or_code() -> None:
    found = [(name, sink) for name, text in page_files(".js").items() for sink in SINKS if sink in text]
    assert found == []


def test_nothing_comes_from_another_address() -> None:
    for name, text in page_files(".js", ".css", ".html").items():
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w[^\s\"')]*", text)) - {SVG_NAMESPACE}
        assert addresses == set(), name
        assert "@import" not in text, name
        assert "url(" not in text, name


def test_files_of_the_page_are_small() -> None:
    longest = {name: text.count("\n") for name, text in page_files(".js", ".css", ".html").items()}
    assert {name: lines for name, lines in longest.items() if lines > 400} == {}
