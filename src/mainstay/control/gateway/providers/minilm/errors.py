"""What can keep the model of this process from working."""

from mainstay.kernel.errors import Unavailable


class ModelUnusable(Unavailable):
    """The model's files are missing, are not the ones we know, or cannot be built or loaded."""

    code = "embedding_model_unusable"
