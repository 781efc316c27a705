import numpy as np
import openai
import pytest

from mainstay.control.gateway.errors import ModelMisconfigured, ModelUnavailable
from mainstay.control.gateway.providers.openai_compatible import OpenAiCompatibleEmbeddings, Retries
from mainstay.control.gateway.providers.openai_compatible.embeddings import BATCH_TEXTS_MAX
from mainstay.kernel.errors import Invalid
from tests.support.openai_server import OpenAiServer, Reply, embeddings, failure, openai_server


def model_of(server: OpenAiServer, dimensions: int = 2) -> OpenAiCompatibleEmbeddings:
    quick = Retries(backoff_base_s=0.01)
    return OpenAiCompatibleEmbeddings(server.url, "stand-in", "sk-secret", dimensions=dimensions, retries=quick)


async def test_stand_in_speaks_the_format_of_the_official_client() -> None:
    async with openai_server(embeddings([(3, 4)])) as server:
        client = openai.AsyncOpenAI(base_url=server.url, api_key="sk-secret")
        made = await client.embeddings.create(model="stand-in", input=["a"], encoding_format="float")
        await client.close()
    assert made.data[0].embedding == [3, 4]


async def test_vectors_have_length_one_and_tokens_are_the_providers() -> None:
    async with openai_server(embeddings([(3, 4), (0, 2)])) as server:
        model = model_of(server)
        made = await model.embed(["a", "b"])
        await model.close()
    np.testing.assert_allclose(made.vectors, [[0.6, 0.8], [0, 1]], rtol=1e-6)
    assert made.vectors.dtype == np.float32
    assert made.input_tokens == 5


async def test_many_texts_go_in_batches() -> None:
    rest = 3
    async with openai_server(embeddings([(1, 0)] * BATCH_TEXTS_MAX), embeddings([(0, 1)] * rest)) as server:
        model = model_of(server)
        made = await model.embed(["text"] * (BATCH_TEXTS_MAX + rest))
        await model.close()
    assert [len(request.body["input"]) for request in server.requests] == [BATCH_TEXTS_MAX, rest]
    assert made.vectors[:, 1].sum() == rest
    assert made.input_tokens == 10


async def test_failure_that_may_pass_is_retried() -> None:
    async with openai_server(failure(503), embeddings([(1, 0)], tokens=None)) as server:
        model = model_of(server)
        made = await model.embed(["12345"])
        await model.close()
    assert made.input_tokens == 2


async def test_wrong_dimensions_are_a_clear_error() -> None:
    async with openai_server(embeddings([(1, 0)])) as server:
        model = model_of(server, dimensions=3)
        with pytest.raises(ModelMisconfigured, match="2 dimensions, but 3"):
            await model.embed(["a"])
        await model.close()


@pytest.mark.parametrize("reply", [embeddings([]), embeddings([(0, 0)]), Reply([b"no"]), Reply([b'{"data": [1]}'])])
async def test_garbage_is_a_clear_error(reply: Reply) -> None:
    async with openai_server(reply) as server:
        model = model_of(server)
        with pytest.raises(ModelUnavailable):
            await model.embed(["a"])
        await model.close()


async def test_empty_text_is_refused_before_anything_is_sent() -> None:
    async with openai_server(embeddings([(1, 0)])) as server:
        model = model_of(server)
        with pytest.raises(Invalid, match="number 2"):
            await model.embed(["a", " "])
        await model.close()
    assert server.requests == []
