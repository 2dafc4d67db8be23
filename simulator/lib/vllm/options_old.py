"""Options of vLLM 0.7.2; see ``lib/options.py`` for how a table is read."""

_LOADS = (
    "auto,pt,safetensors,npcache,dummy,tensorizer,sharded_state,gguf,bitsandbytes,mistral,"
    "runai_streamer"
)
_ACCEPTANCE = "rejection_sampler,typical_acceptance_sampler"
_BACKENDS = "tgi,vllm,lmdeploy,deepspeed-mii,openai,openai-chat,tensorrt-llm,scalellm,sglang"

ENGINE = f"""
str    --model=facebook/opt-125m --tokenizer --revision --code-revision --tokenizer-revision
str    --allowed-local-media-path --download-dir --logits-processor-pattern
str    --tokenizer-pool-extra-config --tokenizer-pool-type=ray --long-lora-scaling-factors
str    --limit-mm-per-prompt --model-loader-extra-config --preemption-mode
str    --qlora-adapter-name-or-path --otlp-traces-endpoint --collect-detailed-traces
str    --kv-transfer-config --worker-cls=auto --generation-config --override-pooler-config
str    --compilation-config,-O --quantization,-q --speculative-model
str    --speculative-model-quantization
choice --task=auto{{auto,generate,embedding,embed,classify,score,reward}}
choice --tokenizer-mode=auto{{auto,slow,mistral}}
choice --load-format=auto{{{_LOADS}}}
choice --config-format=ConfigFormat.AUTO{{auto,hf,mistral}}
choice --dtype=auto{{auto,half,float16,bfloat16,float,float32}}
choice --kv-cache-dtype=auto{{auto,fp8,fp8_e5m2,fp8_e4m3}}
choice --guided-decoding-backend=xgrammar{{outlines,lm-format-enforcer,xgrammar}}
choice --model-impl=auto{{auto,vllm,transformers}}
choice --distributed-executor-backend{{ray,mp,uni,external_launcher}}
choice --lora-dtype=auto{{auto,float16,bfloat16}}
choice --device=auto{{auto,cuda,neuron,cpu,openvino,tpu,xpu,hpu}}
choice --spec-decoding-acceptance-method=rejection_sampler{{{_ACCEPTANCE}}}
choice --scheduling-policy=fcfs{{fcfs,priority}}
int    --max-model-len --pipeline-parallel-size,-pp=1 --tensor-parallel-size,-tp=1
int    --max-parallel-loading-workers --block-size --num-lookahead-slots=0 --seed=0
int    --num-gpu-blocks-override --max-num-batched-tokens --max-num-seqs --max-logprobs=20
int    --max-seq-len-to-capture=8192 --tokenizer-pool-size=0 --max-loras=1 --max-lora-rank=16
int    --lora-extra-vocab-size=256 --max-cpu-loras --max-prompt-adapters=1
int    --max-prompt-adapter-token=0 --num-scheduler-steps=1 --num-speculative-tokens
int    --speculative-draft-tensor-parallel-size,-spec-draft-tp --speculative-max-model-len
int    --speculative-disable-by-batch-size --ngram-prompt-lookup-max --ngram-prompt-lookup-min
float  --swap-space=4 --cpu-offload-gb=0 --gpu-memory-utilization=0.9 --rope-theta
float  --scheduler-delay-factor=0.0 --typical-acceptance-sampler-posterior-threshold
float  --typical-acceptance-sampler-posterior-alpha
json   --rope-scaling --hf-overrides --mm-processor-kwargs --override-neuron-config
json   --override-generation-config
toggle --enable-prefix-caching
flag   --skip-tokenizer-init --trust-remote-code --ray-workers-use-nsight
flag   --disable-sliding-window --use-v2-block-manager --disable-log-stats --enforce-eager
flag   --disable-custom-all-reduce --disable-mm-preprocessor-cache --enable-lora
flag   --enable-lora-bias --fully-sharded-loras --enable-prompt-adapter
flag   --speculative-disable-mqa-scorer --disable-async-output-proc --enable-sleep-mode
flag   --calculate-kv-scales
opt    --multi-step-stream-outputs --enable-chunked-prefill
opt    --disable-logprobs-during-spec-decoding
append --ignore-patterns
list   --served-model-name
"""

ASYNC = "flag --disable-log-requests"

SERVE = """
str    --config --host --api-key --chat-template --response-role=assistant --ssl-keyfile
str    --ssl-certfile --ssl-ca-certs --root-path --reasoning-parser --tool-call-parser
str    --tool-parser-plugin
int    --port=8000 --ssl-cert-reqs=0 --max-log-len
choice --uvicorn-log-level=info{debug,info,warning,error,critical,trace}
choice --chat-template-content-format=auto{auto,string,openai}
json   --allowed-origins=["*"] --allowed-methods=["*"] --allowed-headers=["*"]
list   --lora-modules --prompt-adapters
append --middleware
flag   --allow-credentials --return-tokens-as-token-ids --disable-frontend-multiprocessing
flag   --enable-request-id-headers --enable-auto-tool-choice --enable-reasoning
flag   --disable-fastapi-docs --enable-prompt-tokens-details
"""

BENCH_SERVE = f"""
choice --backend=vllm{{{_BACKENDS}}}
str    --base-url --host=localhost --endpoint=/v1/completions --dataset --dataset-path --model
str    --tokenizer --result-dir --result-filename --percentile-metrics=ttft,tpot,itl
str    --metric-percentiles=99 --hf-subset --hf-split --served-model-name
choice --dataset-name=sharegpt{{sharegpt,burstgpt,sonnet,random,hf}}
choice --tokenizer-mode=auto{{auto,slow,mistral}}
int    --port=8000 --max-concurrency --best-of=1 --num-prompts=1000 --logprobs --seed=0
int    --sonnet-input-len=550 --sonnet-output-len=150 --sonnet-prefix-len=200
int    --sharegpt-output-len --random-input-len=1024 --random-output-len=128
int    --random-prefix-len=0 --hf-output-len
float  --request-rate=inf --burstiness=1.0 --random-range-ratio=1.0
flag   --use-beam-search --trust-remote-code --disable-tqdm --profile --save-result --ignore-eos
list   --metadata --goodput
"""

BENCH_THROUGHPUT = """
choice --backend=vllm{vllm,hf,mii}
str    --dataset --output-json --lora-path
int    --input-len --output-len --n=1 --num-prompts=1000 --hf-max-batch-size
flag   --async-engine --disable-frontend-multiprocessing
"""

BENCH_LATENCY = """
int    --input-len=32 --output-len=128 --batch-size=8 --n=1 --num-iters-warmup=10 --num-iters=30
str    --profile-result-dir --output-json
flag   --use-beam-search --profile
"""
