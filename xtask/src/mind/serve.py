"""Serves a GGUF model with llama.cpp's OpenAI-compatible HTTP API on this machine only.

Usage: serve.py MODEL NAME PORT. Ends when its standard input does, that is, with whoever started it.
"""

import os
import sys

# Threads that wait for each other without spinning: spinning, the model is ten times slower as soon as anything else
# runs. Read when the library is loaded.
os.environ["OMP_WAIT_POLICY"] = "passive"
import xllamacpp

threads = min(8, len(os.sched_getaffinity(0)))
path, name, port = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = path
params.model_alias = {name}
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.n_ctx = 4096
params.n_parallel = 1
params.n_gpu_layers = 0
params.cpuparams.n_threads = threads
params.cpuparams_batch.n_threads = threads
params.cache_ram_mib = 256
params.ui = False
server = xllamacpp.Server(params)
sys.stdin.read()
