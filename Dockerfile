# gan-aug with Ray, for head, workers and whoever submits: one image, so that all versions agree.
#
#   docker build -t gan-aug .
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 gan-aug
WORKDIR /opt/gan-aug
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY gan_aug ./gan_aug
RUN pip install --no-cache-dir -c constraints.txt '.[dicom,medmnist,ray,s3]'
COPY configs ./configs

USER gan-aug
WORKDIR /shared
ENV RAY_USAGE_STATS_ENABLED=0
