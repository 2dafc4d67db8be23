"""The configuration of an OpenCompass run."""

from tests.simulator.host import Host

CONFIG = """
from mmengine.config import read_base
from opencompass.models import OpenAISDK
from opencompass.utils.text_postprocessors import extract_non_reasoning_content

with read_base():
    from opencompass.configs.datasets.FewCLUE_cluewsc.FewCLUE_cluewsc_gen import cluewsc_datasets
    from opencompass.configs.datasets.math.math_500_gen import math_datasets

datasets = cluewsc_datasets + math_datasets
models = [
    dict(
        abbr="deepseek-r1-va16",
        type=OpenAISDK,
        path="m",
        key="EMPTY",
        openai_api_base=["{url}/v1"],
        max_out_len=4096,
        max_seq_len=8192,
        temperature=0.6,
        batch_size=4,
        retry=2,
        pred_postprocessor=dict(type=extract_non_reasoning_content),
    )
]
"""


def configured(host: Host, url: str = "http://127.0.0.1:9") -> str:
    (host.workspace / "eval_ds.py").write_text(CONFIG.replace("{url}", url))
    return "eval_ds.py"
