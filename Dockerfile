# Serves a folder of runs. Once, make a token, which is printed and kept only as a hash; then serve:
#   docker build -t ganvas .
#   docker run --rm -v "$PWD/runs:/runs" ganvas ganvas serve /runs --tokens /runs/.tokens --new-token me
#   docker run -p 8765:8765 -v "$PWD/runs:/runs" ganvas
FROM python:3.11-slim

# Wheels for the processor alone; for a graphics card name another index of PyTorch's.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

RUN useradd --create-home --uid 1000 --user-group ganvas \
    && mkdir /runs \
    && chown ganvas /runs

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" --constraint constraints.txt ".[serve]"

USER 1000:1000
WORKDIR /home/ganvas
VOLUME /runs
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
CMD ["ganvas", "serve", "/runs", "--host", "0.0.0.0", "--port", "8765", "--tokens", "/runs/.tokens"]
