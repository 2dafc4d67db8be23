"""Tools of VACC hosts: compiler, Build_In servers, images, datasets, weights.
Here: what only a machine with VACC cards has.
Not here: folders of such a host (`toolchains.vacc_site`), vLLM on it (`toolchains.vllm`).
"""
