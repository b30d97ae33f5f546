"""The tax-benefit model, and a process that keeps it loaded."""


def __getattr__(name: str) -> object:
    """Import the model's class when it is asked for; most of this room needs no model."""
    if name == "PolicyEngineUS":
        from localcal.engine.policyengine import PolicyEngineUS

        return PolicyEngineUS
    raise AttributeError(f"module 'localcal.engine' has no attribute '{name}'")
