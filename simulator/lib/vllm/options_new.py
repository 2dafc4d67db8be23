"""Options of vLLM 0.17; see ``lib/options.py`` for how a table is read."""

ENGINE = """
str    --model=Qwen/Qwen3-0.6B --tokenizer --hf-config-path --allowed-local-media-path
str    --revision --code-revision --tokenizer-revision --quantization,-q --config-format=auto
str    --generation-config=auto --model-impl=auto --override-attention-dtype
str    --io-processor-plugin --load-format=auto --download-dir --safetensors-load-strategy=lazy
str    --pt-load-map-location=cpu --attention-backend --reasoning-parser
str    --reasoning-parser-plugin --distributed-executor-backend --master-addr=127.0.0.1
str    --data-parallel-address,-dpa --data-parallel-backend,-dpb=mp --worker-cls=auto
str    --worker-extension-cls --scheduler-cls --show-hidden-metrics-for-version
str    --otlp-traces-endpoint --mm-encoder-attn-backend
choice --runner=auto{auto,generate,pooling,draft}
choice --convert=auto{auto,none,embed,classify}
str    --tokenizer-mode=auto
choice --dtype=auto{auto,half,float16,bfloat16,float,float32}
choice --kv-cache-dtype=auto{auto,bfloat16,float16,fp8,fp8_e4m3,fp8_e5m2,fp8_inc,fp8_ds_mla}
choice --logprobs-mode=raw_logprobs{raw_logits,raw_logprobs,processed_logits,processed_logprobs}
choice --prefix-caching-hash-algo=sha256{sha256,sha256_cbor,xxhash,xxhash_cbor}
choice --mamba-cache-dtype=auto{auto,float32,float16}
choice --mamba-ssm-cache-dtype=auto{auto,float32,float16}
choice --mamba-cache-mode=none{all,align,none}
choice --kv-offloading-backend=native{native,lmcache}
choice --scheduling-policy=fcfs{fcfs,priority}
choice --performance-mode=balanced{balanced,interactivity,throughput}
choice --mm-processor-cache-type=lru{shm,lru}
choice --mm-encoder-tp-mode=weights{weights,data}
choice --lora-dtype=auto{auto,float16,bfloat16}
str    --all2all-backend=allgather_reducescatter --expert-placement-strategy=linear
str    --offload-backend=auto --moe-backend=auto
size   --max-model-len --max-num-batched-tokens --kv-cache-memory-bytes
int    --seed=0 --max-logprobs=20 --pipeline-parallel-size,-pp=1 --master-port=29501
int    --nnodes,-n=1 --node-rank,-r=0 --tensor-parallel-size,-tp=1
int    --decode-context-parallel-size,-dcp=1 --dcp-kv-cache-interleave-size=1
int    --cp-kv-cache-interleave-size=1 --prefill-context-parallel-size,-pcp=1
int    --data-parallel-size,-dp=1 --data-parallel-rank,-dpn --data-parallel-start-rank,-dpr
int    --data-parallel-size-local,-dpl --data-parallel-rpc-port,-dpp --ubatch-size=0
int    --dbo-decode-token-threshold=32 --dbo-prefill-token-threshold=512
int    --max-parallel-loading-workers --block-size --num-gpu-blocks-override
int    --mamba-block-size --offload-group-size=0 --offload-num-in-group=1
int    --offload-prefetch-step=1 --mm-shm-cache-max-object-size-mb=128 --max-loras=1
int    --max-lora-rank=16 --max-cpu-loras --max-num-seqs --max-num-partial-prefills=1
int    --max-long-partial-prefills=1 --long-prefill-token-threshold=0 --stream-interval=1
int    --max-cudagraph-capture-size --optimization-level
float  --gpu-memory-utilization=0.9 --swap-space=4 --kv-offloading-size --cpu-offload-gb=0
float  --mm-processor-cache-gb=4 --video-pruning-rate --kv-cache-metrics-sample=0.01
json   --hf-overrides={} --pooler-config --override-generation-config={}
json   --model-loader-extra-config={} --eplb-config --limit-mm-per-prompt --media-io-kwargs
json   --mm-processor-kwargs --default-mm-loras --speculative-config --kv-transfer-config
json   --kv-events-config --ec-transfer-config --compilation-config,-cc --attention-config,-ac
json   --kernel-config --additional-config={} --structured-outputs-config --profiler-config
json   --weight-transfer-config
list   --served-model-name --allowed-media-domains --logits-processors --ignore-patterns
list   --cpu-offload-params --offload-params --collect-detailed-traces --cudagraph-capture-sizes
opt    --hf-token
flag   --disable-log-stats --aggregate-engine-logging
toggle --trust-remote-code=false --allow-deprecated-quantization=false --enforce-eager=false
toggle --enable-return-routed-experts=false --disable-sliding-window=false
toggle --disable-cascade-attn=false --skip-tokenizer-init=false --enable-prompt-embeds=false
toggle --enable-sleep-mode=false --use-tqdm-on-load=true --data-parallel-hybrid-lb,-dph=false
toggle --data-parallel-external-lb,-dpe=false --enable-expert-parallel,-ep=false
toggle --enable-dbo=false --enable-elastic-ep=false --disable-nccl-for-dp-synchronization
toggle --enable-eplb=false --ray-workers-use-nsight=false --disable-custom-all-reduce=false
toggle --enable-prefix-caching --calculate-kv-scales=false --kv-sharing-fast-prefill=false
toggle --language-model-only=false --enable-mm-embeds=false --mm-encoder-only=false
toggle --interleave-mm-strings=false --skip-mm-profiling=false --enable-lora
toggle --enable-tower-connector-lora=false --fully-sharded-loras=false
toggle --specialize-active-lora=false --kv-cache-metrics=false --cudagraph-metrics=false
toggle --enable-layerwise-nvtx-tracing=false --enable-mfu-metrics=false
toggle --enable-logging-iteration-details=false --enable-chunked-prefill
toggle --disable-chunked-mm-input=false --disable-hybrid-kv-cache-manager --async-scheduling
toggle --enable-flashinfer-autotune --fail-on-environ-validation=false
"""

ASYNC = "toggle --enable-log-requests=false"

SERVE = """
str    --config --host --uds --chat-template --response-role=assistant --tool-call-parser
str    --tool-parser-plugin --tool-server --log-config-file --disable-access-log-for-endpoints
str    --ssl-keyfile --ssl-certfile --ssl-ca-certs --ssl-ciphers --root-path
int    --port=8000 --max-log-len --ssl-cert-reqs=0 --h11-max-incomplete-event-size=4194304
int    --h11-max-header-count=256 --api-server-count,-asc
choice --uvicorn-log-level=info{critical,error,warning,info,debug,trace}
choice --chat-template-content-format=auto{auto,openai,string}
json   --default-chat-template-kwargs --allowed-origins=["*"] --allowed-methods=["*"]
json   --allowed-headers=["*"]
list   --lora-modules --api-key
append --middleware
flag   --headless
toggle --trust-request-chat-template=false --return-tokens-as-token-ids=false
toggle --disable-frontend-multiprocessing=false --enable-auto-tool-choice=false
toggle --exclude-tools-when-tool-choice-none=false --enable-prompt-tokens-details=false
toggle --enable-server-load-tracking=false --enable-force-include-usage=false
toggle --enable-tokenizer-info-endpoint=false --enable-log-outputs=false
toggle --enable-log-deltas=true --log-error-stack=false --tokens-only=false
toggle --disable-uvicorn-access-log=false --allow-credentials=false --enable-ssl-refresh=false
toggle --enable-request-id-headers=false --disable-fastapi-docs=false
toggle --enable-offline-docs=false --use-gpu-for-pooling-score=false
"""

_BACKENDS = (
    "vllm,openai,openai-chat,openai-audio,openai-embeddings,openai-embeddings-chat,"
    "openai-embeddings-clip,openai-embeddings-vlm2vec,infinity-embeddings,"
    "infinity-embeddings-clip,vllm-pooling,vllm-rerank"
)
_SETS = "sharegpt,random,sonnet,burstgpt,hf,prefix_repetition,random-mm,random-rerank"
_DATASETS = (
    "sharegpt,burstgpt,sonnet,random,random-mm,random-rerank,hf,custom,custom_mm,"
    "prefix_repetition,spec_bench"
)
_DATASET = f"""
choice --dataset-name=random{{{_DATASETS}}}
str    --dataset-path --hf-subset --hf-split --hf-name --spec-bench-category
int    --seed=0 --num-prompts=1000 --custom-output-len=256 --spec-bench-output-len=256
int    --sonnet-input-len=550 --sonnet-output-len=150 --sonnet-prefix-len=200
int    --sharegpt-output-len --random-input-len=1024 --random-output-len=128
int    --random-prefix-len=0 --random-batch-size=1 --hf-output-len
int    --random-mm-base-items-per-request=1 --prefix-repetition-prefix-len=256
int    --prefix-repetition-suffix-len=256 --prefix-repetition-num-prefixes=10
int    --prefix-repetition-output-len=128
float  --random-range-ratio=0.0 --random-mm-num-mm-items-range-ratio=0.0
float  --blazedit-min-distance=0.0 --blazedit-max-distance=1.0 --asr-max-audio-len-sec=inf
float  --asr-min-audio-len-sec=0.0
json   --random-mm-limit-mm-per-prompt
str    --random-mm-bucket-config
flag   --no-stream --no-oversample --skip-chat-template --enable-multimodal-chat
flag   --disable-shuffle --no-reranker --trust-remote-code
"""

BENCH_SERVE = (
    _DATASET
    + f"""
choice --backend=openai{{{_BACKENDS}}}
str    --label --base-url --host=127.0.0.1 --endpoint=/v1/completions --model --tokenizer
str    --result-dir --result-filename --percentile-metrics --metric-percentiles=99
str    --request-id-prefix --served-model-name --tokenizer-mode=auto
str    --timeline-itl-thresholds=25,50
int    --port=8000 --input-len --output-len --max-concurrency --num-warmups=0 --logprobs
int    --ramp-up-start-rps --ramp-up-end-rps --ready-check-timeout-sec=0 --top-k
float  --request-rate=inf --burstiness=1.0 --top-p --min-p --temperature --frequency-penalty
float  --presence-penalty --repetition-penalty
choice --ramp-up-strategy{{linear,exponential}}
json   --extra-body
flag   --use-beam-search --disable-tqdm --profile --save-result --save-detailed --append-result
flag   --ignore-eos --skip-tokenizer-init --insecure --plot-timeline --plot-dataset-stats
list   --header --metadata --goodput --lora-modules
"""
)

BENCH_THROUGHPUT = f"""
choice --backend=vllm{{vllm,hf,mii,vllm-chat}}
choice --dataset-name=sharegpt{{{_SETS}}}
str    --dataset --dataset-path --output-json --lora-path --hf-subset --hf-split
int    --input-len --output-len --n=1 --num-prompts=1000 --hf-max-batch-size --prefix-len=0
int    --random-input-len=1024 --random-output-len=128 --random-prefix-len
int    --prefix-repetition-prefix-len --prefix-repetition-suffix-len
int    --prefix-repetition-num-prefixes --prefix-repetition-output-len
float  --random-range-ratio
flag   --async-engine --disable-frontend-multiprocessing --disable-detokenize --profile
"""

BENCH_LATENCY = """
int    --input-len=32 --output-len=128 --batch-size=8 --n=1 --num-iters-warmup=10 --num-iters=30
str    --output-json
flag   --use-beam-search --profile --disable-detokenize
"""
