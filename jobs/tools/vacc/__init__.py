"""Tools of VACC hosts: compiler, Build_In, images, data sets, weights.
Here: command lines, folders of such a host, reports, vasmi.
Not here: vLLM on such a host (`tools.vllm`).
"""
