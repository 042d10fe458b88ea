# docker build -t workbench .
# docker run workbench                                                   restores the sample, as `make demo` does
# docker run -v "$PWD:/videos" workbench reconstruct /videos/broken.mp4 --out /videos/out
# docker run -p 127.0.0.1:8888:8888 workbench lab -- --ip=0.0.0.0 --no-browser
FROM python:3.11-slim-bookworm

# What OpenCV's wheel loads. Nothing is compiled, so no build tools are needed.
RUN apt-get update && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*

# The CPU builds of PyTorch, a tenth of what PyPI's builds for GPUs take. The versions are those of constraints.txt.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 torchvision==0.28.0

WORKDIR /workbench
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY workbench workbench
# Local versions, such as 2.13.0+cpu, satisfy the pins. The package stays where it is: the notebooks lie beside it.
RUN pip install --no-cache-dir -c constraints.txt -e .
COPY notebooks notebooks
COPY data data
COPY sweeps sweeps

# Not root: files that it writes into a mounted folder belong to this user, or to the one that `docker run --user` names.
RUN useradd --create-home --uid 1000 user && mkdir runs && chown user runs
USER user
ENTRYPOINT ["workbench"]
CMD ["run", "data/sample.mp4", "--out", "runs/sample"]
