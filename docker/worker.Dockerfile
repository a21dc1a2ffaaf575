# The GPU worker. The host needs NVIDIA's driver and its container toolkit.
#   docker build -f docker/worker.Dockerfile .
# With `--build-arg RAY=1` it has Ray, too: for the engine ray and the cluster's nodes.
# PyTorch's wheels bring CUDA's libraries. FlashInfer and Triton compile kernels for the
# card at the first start: hence a compiler, and CUDA's headers and nvcc (`devel`).
# The tag's CUDA must not be newer than the driver knows: `nvidia-smi` shows it.
ARG CUDA_IMAGE=nvidia/cuda:13.0.1-devel-ubuntu24.04

FROM ${CUDA_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
RUN python3 -m venv /opt/venv
COPY requirements.txt requirements-valkey.txt requirements-s3.txt requirements-dns.txt requirements-vllm.txt requirements-ray.txt ./
ARG RAY=
RUN /opt/venv/bin/pip install -r requirements-vllm.txt -r requirements-valkey.txt -r requirements-s3.txt -r requirements-dns.txt ${RAY:+-r requirements-ray.txt}

FROM ${CUDA_IMAGE} AS worker
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-dev g++ \
    && rm -rf /var/lib/apt/lists/*
# The same number as in docker/Dockerfile: they share one volume.
RUN groupadd --gid 10001 vllm-batch \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-log-init --shell /usr/sbin/nologin vllm-batch \
    && install -d -o 10001 -g 10001 -m 0750 /data
COPY --from=packages /opt/venv /opt/venv
# `utility` brings NVML: temperature, clocks, errors.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    DATA_DIR=/data \
    HF_HOME=/data/models \
    LOG_FORMAT=json \
    WORKER_METRICS_HOST=0.0.0.0 \
    WORKER_METRICS_PORT=4081
WORKDIR /app
COPY manage.py ./
COPY accounts ./accounts
COPY files ./files
COPY batches ./batches
COPY workers ./workers
COPY curation ./curation
COPY monitoring ./monitoring
COPY templates ./templates
COPY vllm_batch ./vllm_batch
# Later nobody may write here, and each process would compile all of it.
RUN python -m compileall -q -j 0 /app
USER 10001:10001
VOLUME /data
EXPOSE 4081
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:4081/metrics', timeout=4)"]
CMD ["python", "manage.py", "runworker"]
