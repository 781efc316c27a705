"""All cases of one half, over one database."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bench.answers.cases import Case, cases_of, foreigners, golden_cases, index_answer_set
from bench.answers.embedding import Remembering
from bench.answers.sets import GOLDEN, load_answer_sets, load_golden_set, stranger_questions
from bench.quality.engine import open_database
from bench.quality.sets import DATA

REPOSITORY = Path(__file__).parents[2]
RESULTS = REPOSITORY / "bench" / "results"


def data_folder() -> Path | None:
    """Return the folder of shared test data, or None where it is absent."""
    folder = Path(os.environ.get(DATA, REPOSITORY.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


async def all_cases(
    data: Path, embedder: Remembering, *, held_out: bool, limit: int, names: Sequence[str] = ()
) -> AsyncIterator[Case]:
    """Yield the cases of one half of each set, at most `limit` questions in each situation."""
    sets = await load_answer_sets(data) if set(names) != {GOLDEN} else []
    strangers = stranger_questions(data)
    async with open_database() as (database, tenant):
        for one in sets:
            if names and one.name not in names:
                continue
            indexed = await index_answer_set(database, tenant, embedder, one)
            print(f"  {one.name}: {len(one.documents)} documents, {len(one.questions)} questions", file=sys.stderr)
            others = foreigners(one, sets, strangers)
            async for case in cases_of(indexed, one, others, held_out=held_out, limit=limit):
                yield case
            embedder.keep()
        if held_out and (not names or GOLDEN in names):
            golden = await load_golden_set()
            async for case in golden_cases(await index_answer_set(database, tenant, embedder, golden), golden):
                yield case
            embedder.keep()
