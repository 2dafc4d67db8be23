"""Tools of VACC hosts: compiler, Build_In servers, images, datasets, weights.
Here: tools that need VACC cards.
Not here: folders of such a host (`toolchains.vacc_site`), vLLM on it (`toolchains.vllm`).
"""
