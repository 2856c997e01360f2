"""A small Hub on the loopback interface: to try a release, to test one, and for rooms without a network.

It speaks the dataset part of the Hub's HTTP protocol, so that the unmodified ``huggingface_hub`` and ``datasets``
clients work against it with ``HF_ENDPOINT`` set. It can break on purpose (:mod:`fm_hub.hubserver.faults`).
Needs the extra ``serve``. What it is not: a Hub for the open internet.
"""
