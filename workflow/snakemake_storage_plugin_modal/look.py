"""A volume for those who look at what is on it, without Snakemake."""

import logging

from snakemake_storage_plugin_modal import QUERY, SCHEME, VOLUME_NAME
from snakemake_storage_plugin_modal.errors import VolumeError
from snakemake_storage_plugin_modal.remote import ABSENT_SECONDS, RemoteVolume

__all__ = ["VolumeError", "open_volume"]

PATIENCE = 60.0
"""Seconds that a call may go on failing for a reason that can pass."""


def open_volume(address: str, environment: str | None = None) -> tuple[RemoteVolume, str]:
    """The volume that an address leads to, and the folder on it ("" for the volume itself).

    Its `files` are of one listing, which is trusted for two seconds; `contents` reads small files.
    Nothing is asked before either.

    Args:
        address: modal://VOLUME or modal://VOLUME/FOLDER.
        environment: of Modal; None is the client's own choice.

    Raises:
        VolumeError: the address has another form.
    """
    match = QUERY.fullmatch(address) or QUERY.fullmatch(f"{address.rstrip('/')}/.")
    if match is None or not VOLUME_NAME.fullmatch(match["volume"]):
        raise VolumeError(f"{address}: not of the form {SCHEME}VOLUME or {SCHEME}VOLUME/FOLDER")
    volume = RemoteVolume(
        match["volume"], environment, False, ABSENT_SECONDS, PATIENCE, logging.getLogger(__name__)
    )
    return volume, match["path"].strip("/.") if match["path"] == "." else match["path"].strip("/")
