"""Snakemake's own test suite for executor plugins, on the emulator."""

import modal
import pytest
from snakemake.common.tests import TestWorkflowsBase

import snakemake_storage_plugin_modal
from snakemake_executor_plugin_modal import ExecutorSettings


class TestSuite(TestWorkflowsBase):
    __test__ = True

    @pytest.fixture(autouse=True)
    def volume(self, emulator):
        modal.Volume.objects.create("suite", version=2)
        snakemake_storage_plugin_modal.forget_volumes()

    def get_executor(self):
        return "modal"

    def get_executor_settings(self):
        return ExecutorSettings(
            volume="suite", max_containers=3, memory_classes=["1000x4"], scaledown_window=5
        )

    def get_default_storage_provider(self):
        return "modal"

    def get_default_storage_prefix(self):
        return "modal://suite"

    def get_default_storage_provider_settings(self):
        return None

    def get_assume_shared_fs(self):
        return False
