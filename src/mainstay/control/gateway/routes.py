"""Plain models over HTTP: `/v1/models` and `/v1/embeddings`, as OpenAI has them."""

import base64
from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import Response

from mainstay.control.access.door import Permitted
from mainstay.control.audit import service as audit
from mainstay.control.gateway.errors import UnknownModel
from mainstay.control.gateway.schemas import EmbeddingList, EmbeddingsCreate, ModelObject
from mainstay.control.gateway.service import Gateway
from mainstay.control.metering import service as metering
from mainstay.kernel.errors import Invalid
from mainstay.platform.http import JsonResponse, ListObject, answers
from mainstay.platform.postgres import Database


class ModelRoutes:
    """The routes of models; `assistants` are names that others resolve and that are listed here too."""

    def __init__(self, database: Database, gateway: Gateway, assistants: Sequence[str]) -> None:
        self._database = database
        self._gateway = gateway
        self._assistants = assistants

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1", tags=["models"])
        router.add_api_route("/models", self.list, methods=["GET"], summary="List models")
        # An assistant's name holds a slash.
        router.add_api_route("/models/{model:path}", self.read, methods=["GET"], summary="Read a model")
        router.add_api_route(
            "/embeddings",
            self.embed,
            methods=["POST"],
            summary="Embed texts",
            response_model=None,
            responses=answers(EmbeddingList),
        )
        return router

    def _models(self) -> list[ModelObject]:
        assistants = [ModelObject(id=name, owned_by="mainstay") for name in self._assistants]
        return assistants + [ModelObject(id=model.name, owned_by=model.provider) for model in self._gateway.models()]

    async def list(self, _: Permitted) -> ListObject[ModelObject]:
        """List what can be named as `model`: assistants, chat models, the embedding model."""
        return ListObject[ModelObject].of(self._models(), has_more=False)

    async def read(self, _: Permitted, model: str) -> ModelObject:
        """Read one model."""
        models = {one.id: one for one in self._models()}
        if model not in models:
            raise UnknownModel(model, sorted(models))
        return models[model]

    async def embed(self, caller: Permitted, body: EmbeddingsCreate) -> Response:
        """Return one vector of length 1 per text."""
        texts = [body.input] if isinstance(body.input, str) else list(body.input)
        dimensions = self._gateway.embedder.dimensions
        if body.dimensions not in (None, dimensions):
            raise Invalid(f"The model gives {dimensions} dimensions, not {body.dimensions}.", param="dimensions")
        made = await self._gateway.embed(texts, model=body.model)
        async with self._database.write(caller.scope) as tx:
            await metering.record(tx, made.call, feature="embeddings")
            await audit.record(tx, "model.call", outcome="answered", facts={"kind": "embedding", "texts": len(texts)})
        base64_wanted = body.encoding_format == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.tobytes()).decode() if base64_wanted else vector.tolist(),
            }
            for index, vector in enumerate(made.vectors)
        ]
        usage = {"prompt_tokens": made.call.input_tokens, "total_tokens": made.call.input_tokens}
        return JsonResponse({"object": "list", "data": data, "model": made.call.model, "usage": usage})
