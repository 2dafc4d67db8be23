"""So that ``python3 -c "import vllm; print(vllm.__version__)"`` works in a made-up image."""

import os

__version__ = os.environ.get("STANDIN_VLLM_VERSION", "")
