"""The only reader of the environment. A value that cannot be right stops the start with one sentence."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mainstay.kernel.errors import MainstayError

PRODUCT_FILE = "mainstay.toml"


class InvalidConfiguration(MainstayError):
    """A setting has a value that cannot be right; the message names the setting and what it may be."""

    kind = "invalid"
    code = "invalid_configuration"


class Settings(BaseSettings):
    """What can be set from outside. Every field reads the environment variable of its alias, and no other.

    Fields are not filled by their names: `home` would be read from HOME, and `port` from whatever PORT means here.
    """

    model_config = SettingsConfigDict(extra="ignore")

    home: Path = Field(default=Path("~/.mainstay"), validation_alias="MAINSTAY_HOME")
    """The folder of everything one machine keeps: keys, uploads, models, logs, the database."""
    host: str = Field(default="127.0.0.1", validation_alias="MAINSTAY_HOST")
    port: int = Field(default=8321, ge=1, le=65535, validation_alias="MAINSTAY_PORT")
    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    """A PostgreSQL of your own, as the plain role that serves; without it one is started in the home folder."""
    owner_database_url: SecretStr | None = Field(default=None, validation_alias="MAINSTAY_OWNER_DATABASE_URL")
    """The same database as the owner of the schema, which migrates it and never serves."""
    app_database_url: SecretStr | None = Field(default=None, validation_alias="MAINSTAY_APP_DATABASE_URL")
    """Set by `mainstay up` for the processes it starts; wins over database_url."""
    database_pooled: bool = Field(default=False, validation_alias="MAINSTAY_DATABASE_POOLED")
    """Whether database_url leads through a pooler that gives each transaction another session, such as PgBouncer."""
    scope_key: SecretStr | None = Field(default=None, validation_alias="MAINSTAY_SCOPE_KEY")
    """What signs the scope of each transaction, the same for all processes of a system; without it, that in `home`."""
    model_url: str | None = Field(default=None, validation_alias="MAINSTAY_MODEL_URL")
    """The base URL of an OpenAI-compatible endpoint, for example https://api.openai.com/v1."""
    model_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("MAINSTAY_MODEL_KEY", "MAINSTAY_MODEL_API_KEY")
    )
    model_name: str | None = Field(default=None, validation_alias=AliasChoices("MAINSTAY_MODEL_NAME", "MAINSTAY_MODEL"))
    key: SecretStr | None = Field(default=None, validation_alias="MAINSTAY_API_KEY")
    """The key the command line uses; without it, the one in the home folder."""
    url: str | None = Field(default=None, validation_alias="MAINSTAY_URL")
    """The address the command line talks to; without it, that of the running system."""
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """Announced when found, never used unasked."""
    product: Path | None = Field(default=None, validation_alias="MAINSTAY_PRODUCT")
    """The `mainstay.toml` of a product, or the folder it is in; without it, that in the working directory, if any."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", validation_alias="MAINSTAY_LOG_LEVEL"
    )
    database_connections_max: int = Field(default=8, ge=2, le=200, validation_alias="MAINSTAY_DATABASE_CONNECTIONS_MAX")
    worker_concurrency: int = Field(default=4, ge=1, le=64, validation_alias="MAINSTAY_WORKER_CONCURRENCY")
    worker_queues: str | None = Field(default=None, validation_alias="MAINSTAY_WORKER_QUEUES")
    """The queues that a worker takes jobs from, with commas between; without it, all."""
    worker_health_port: int | None = Field(default=None, ge=1, le=65535, validation_alias="MAINSTAY_WORKER_HEALTH_PORT")
    """Where a worker tells of its health; without it, it listens nowhere."""
    worker_health_host: str = Field(default="127.0.0.1", validation_alias="MAINSTAY_WORKER_HEALTH_HOST")
    job_transport: Literal["postgres", "sqs"] = Field(default="postgres", validation_alias="MAINSTAY_JOB_TRANSPORT")
    """What wakes workers; the jobs are in PostgreSQL either way."""
    sqs_url_prefix: str | None = Field(default=None, validation_alias="MAINSTAY_SQS_URL_PREFIX")
    """What the URLs of the queues begin with: https://sqs.eu-central-1.amazonaws.com/123456789012/mainstay-"""
    aws_region: str | None = Field(default=None, validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    """Needed where the URLs of AWS do not say it."""
    upload_bytes_max: int = Field(default=50 * 1024 * 1024, ge=1024, validation_alias="MAINSTAY_UPLOAD_BYTES_MAX")
    request_bytes_max: int = Field(default=1024 * 1024, ge=1024, validation_alias="MAINSTAY_REQUEST_BYTES_MAX")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().resolve()

    @property
    def key_file(self) -> Path:
        """Return where the key lies that the command line reads by itself."""
        return self.home / "keys" / "demo.key"

    @property
    def scope_key_file(self) -> Path:
        """Return where `mainstay up` keeps the key that signs scopes, where none is given."""
        return self.home / "keys" / "scope.key"

    @property
    def serving_url(self) -> str | None:
        """Return the URL of the database as the server and worker reach it."""
        chosen = self.app_database_url or self.database_url
        return chosen.get_secret_value() if chosen else None


def load_settings(**given: object) -> Settings:
    """Return the settings of the environment, with those `given` (by field name, None = not given) winning.

    Raises InvalidConfiguration with one sentence.
    """
    try:
        settings = Settings(**{_variable(name): value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidConfiguration(f"{name} has the value {first['input']!r}: {first['msg']}.", param=name) from None
    if settings.model_url and not settings.model_name:
        raise InvalidConfiguration("MAINSTAY_MODEL_URL is set but MAINSTAY_MODEL_NAME is not: name the model to call.")
    if settings.job_transport == "sqs" and not settings.sqs_url_prefix:
        raise InvalidConfiguration(
            "MAINSTAY_JOB_TRANSPORT is sqs but MAINSTAY_SQS_URL_PREFIX is not set: say what the URLs of the queues"
            " begin with, for example https://sqs.eu-central-1.amazonaws.com/123456789012/mainstay-."
        )
    return settings


@dataclass(frozen=True)
class ProductFile:
    """What a `mainstay.toml` says: the module of the product, and the folder in which it is looked for first."""

    module: str
    folder: Path


def find_product(settings: Settings) -> ProductFile | None:
    """Return what the settings' `mainstay.toml` says, or None where there is no product; raises InvalidConfiguration.

    `[product]` with `module = "the.module"` is all that may stand in it.
    """
    file = settings.product or Path.cwd()
    file = file / PRODUCT_FILE if file.is_dir() else file
    if settings.product is None and not file.is_file():
        return None
    try:
        text: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InvalidConfiguration(
            f"MAINSTAY_PRODUCT names {file}, which cannot be read ({error.strerror}): name a {PRODUCT_FILE}.",
            param="MAINSTAY_PRODUCT",
        ) from None
    except ValueError as error:
        raise InvalidConfiguration(f"{file} is not TOML: {error}.") from None
    match text:
        case {"product": {"module": str(module), **others}, **more} if module and not others and not more:
            return ProductFile(module, file.resolve().parent)
        case _:
            raise InvalidConfiguration(
                f'{file} must have a table [product] with module = "the.module", and nothing else.'
            )


def _variable(field: str) -> str:
    """Return the environment variable of a field, by which it is given in code too."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias)
