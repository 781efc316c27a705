"""Objects by key, the tenant first in each key; a folder here, anything S3-compatible elsewhere."""

from mainstay.platform.blobs.store import BlobMissing, Blobs, blob_key

__all__ = ["BlobMissing", "Blobs", "blob_key"]
