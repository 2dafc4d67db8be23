"""The vendor's plug-in, of which only the name is here."""

import os

__version__ = f"{os.environ.get('STANDIN_VLLM_VERSION', '')}.1109+simulated"
