"""The error that ends a run."""

from snakemake_interface_common.exceptions import ApiError


class ModalPluginError(ApiError):
    """What is wrong and what to do, in one line, which Snakemake shows without a traceback."""
