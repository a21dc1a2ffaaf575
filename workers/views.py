"""GET /models: what clients may name (OpenAI's Models API, read only)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ApiViewSet
from vllm_batch.lib.clock import unix
from vllm_batch.lib.errors import NotFound
from vllm_batch.lib.schema import answers, path_id, tagged
from workers.models import ServedModel


class ModelSchema(serializers.Serializer[Any]):
    """Describes a model."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["model"])
    created = serializers.IntegerField(help_text="Unix seconds")
    owned_by = serializers.CharField()


class ModelListSchema(serializers.Serializer[Any]):
    """Describes the list of models."""

    object = serializers.ChoiceField(["list"])
    data = ModelSchema(many=True)  # type: ignore[assignment]


def model_object(model: ServedModel, name: str) -> dict[str, Any]:
    """Return one of a served model's names as clients see it."""
    return {
        "id": name,
        "object": "model",
        "created": unix(model.created_at),
        "owned_by": "vllm_batch",
    }


class ModelViewSet(ApiViewSet):
    """The models a batch may name; the same for every project."""

    scopes = {"list": "models:read", "retrieve": "models:read"}

    @extend_schema(**tagged("Models", "listModels", responses=answers(ModelListSchema)))
    def list(self, request: Request) -> Response:
        """List the names of the enabled models, and of the LoRA adapters on them."""
        models = ServedModel.objects.filter(is_enabled=True)
        data = [model_object(model, name) for model in models for name in model.names]
        return Response({"object": "list", "data": data})

    @extend_schema(
        **tagged(
            "Models",
            "retrieveModel",
            parameters=[path_id("model", "the model's name")],
            responses=answers(ModelSchema, 404),
        )
    )
    def retrieve(self, request: Request, model: str) -> Response:
        """Describe one model; its name may contain slashes."""
        models = ServedModel.objects.filter(is_enabled=True)
        found = next((row for row in models if model in row.names), None)
        if found is None:
            raise NotFound(
                f"The model '{model}' does not exist or you do not have access to it.",
                param="model",
                code="model_not_found",
            )
        return Response(model_object(found, model))
